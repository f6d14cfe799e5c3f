package ghostlens

/** The form of a text: a regular expression for the whole of it, and how many characters. */
class TextPattern(pattern: String, private val maxChars: Int, internal val allowed: String) {
    private val regex = Regex(pattern)

    internal fun match(text: String): MatchResult? = if (text.length > maxChars) null else regex.matchEntire(text)
}

/** A value of a document, with the path that leads to it. Every error names that path. */
internal class Node(val value: JsonValue, private val path: String, private val document: String) {
    val isNull: Boolean get() = value == JsonNull

    fun fail(why: String): Nothing =
        throw ManifestException("$document: ${path.ifEmpty { "the document" }}: $why")

    /** Returns the members of an object that has exactly these keys. */
    fun table(required: List<String>, optional: List<String> = emptyList()): Map<String, Node> {
        val members = entries(Int.MAX_VALUE)
        required.firstOrNull { it !in members }?.let { below(it, JsonNull).fail("it is missing") }
        members.keys.firstOrNull { it !in required && it !in optional }?.let {
            below(it, JsonNull).fail("it is not known: allowed are ${(required + optional).joinToString()}")
        }
        return members
    }

    /** Returns the members of an object, whose keys are among [allowed] if it is given. */
    fun entries(most: Int, allowed: List<String>? = null): Map<String, Node> {
        val members = (value as? JsonObject)?.members ?: fail("it must be an object")
        if (members.size > most) fail("it has ${members.size} entries: allowed are $most")
        return members.mapValues { (key, member) ->
            val node = below(key, member)
            if (allowed != null && key !in allowed) node.fail("allowed are ${allowed.joinToString()}")
            node
        }
    }

    fun items(least: Int, most: Int): List<Node> {
        val items = (value as? JsonList)?.items
        if (items == null || items.size !in least..most) fail("it must be a list of $least to $most items")
        return items.mapIndexed { index, item -> Node(item, "$path[$index]", document) }
    }

    fun text(mostChars: Int): String {
        val text = (value as? JsonText)?.value
        if (text.isNullOrEmpty() || text.codePointCount(0, text.length) > mostChars) {
            fail("it must be a text of 1 to $mostChars characters")
        }
        return text
    }

    fun matching(pattern: TextPattern): String {
        val text = (value as? JsonText)?.value
        if (text == null || pattern.match(text) == null) fail("allowed are ${pattern.allowed}")
        return text
    }

    fun oneOf(allowed: List<String>): String {
        val text = (value as? JsonText)?.value
        if (text == null || text !in allowed) fail("allowed are ${allowed.joinToString()}")
        return text
    }

    fun whole(least: Long, most: Long): Long {
        val whole = (value as? JsonNumber)?.whole
        if (whole == null || whole !in least..most) fail("it must be a whole number from $least to $most")
        return whole
    }

    fun int(least: Int, most: Int): Int = whole(least.toLong(), most.toLong()).toInt()

    fun number(least: Double, most: Double): Double {
        val number = (value as? JsonNumber)?.value
        if (number == null || number < least || number > most) fail("it must be a number from $least to $most")
        return number
    }

    fun flag(): Boolean = (value as? JsonFlag)?.value ?: fail("it must be true or false")

    fun <T> orNull(read: (Node) -> T): T? = if (isNull) null else read(this)

    private fun below(key: String, member: JsonValue) =
        Node(member, if (path.isEmpty()) key else "$path.$key", document)
}

/** Checks that a document names a schema that this code reads, the newest last; a newer number is told apart. */
internal fun checkSchema(root: Node, vararg schemas: String) {
    val schema = schemas.last()
    val node = root.entries(Int.MAX_VALUE)["schema"] ?: root.fail("schema is missing: allowed is $schema")
    val found = (node.value as? JsonText)?.value
    if (found in schemas) return
    val match = found?.let(Patterns.schema::match)
    val isNewer = match != null && match.groupValues[1] == schema.substringBeforeLast('/') &&
        match.groupValues[2].toInt() > schema.substringAfterLast('/').toInt()
    if (isNewer) node.fail("$found is newer than $schema, which this app reads; update the app")
    node.fail("allowed is ${schemas.joinToString(" or ")}")
}

/** Reads a time, and checks that there is such a day and hour. */
internal fun readTime(node: Node): String {
    val text = node.matching(Patterns.time)
    val numbers = Patterns.time.match(text)!!.groupValues.drop(1).map(String::toInt)
    val (year, month, day, hour, minute) = numbers
    val isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    val days = intArrayOf(31, if (isLeap) 29 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    val isThere = year >= 1 && month in 1..12 && day in 1..days[month - 1] && hour < 24 && minute < 60 && numbers[5] < 60
    return if (isThere) text else node.fail("there is no such day or time")
}
