package ghostlens

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException

/** A value of a JSON document. */
sealed class JsonValue

data class JsonObject(val members: Map<String, JsonValue>) : JsonValue()

data class JsonList(val items: List<JsonValue>) : JsonValue()

data class JsonText(val value: String) : JsonValue()

/** A number; [whole] where it is written without fraction and exponent, and fits. */
data class JsonNumber(val value: Double, val whole: Long?) : JsonValue()

data class JsonFlag(val value: Boolean) : JsonValue()

object JsonNull : JsonValue()

/**
 * Parses a JSON document, strictly.
 *
 * Refused are more than [maxBytes], bytes that are not UTF-8, a key given twice, numbers that are
 * not finite, halves of surrogate pairs, and nesting over 32 levels.
 *
 * @throws ManifestException not such a document.
 */
fun parseJson(data: ByteArray, document: String, maxBytes: Int): JsonValue {
    if (data.size > maxBytes) {
        throw ManifestException("$document has ${data.size} bytes: allowed are $maxBytes")
    }
    val text = try {
        Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString()
    } catch (error: CharacterCodingException) {
        throw ManifestException("$document is not UTF-8: $error")
    }
    return JsonParser(text, document).parse()
}

private class JsonParser(private val text: String, private val document: String) {
    private var at = 0

    fun parse(): JsonValue {
        val value = readValue(0)
        skipSpace()
        return if (at == text.length) value else fail("something follows its end")
    }

    private fun readValue(depth: Int): JsonValue {
        if (depth > Constants.MAX_JSON_DEPTH) {
            fail("it is nested deeper than ${Constants.MAX_JSON_DEPTH} levels")
        }
        skipSpace()
        return when (peek()) {
            '{' -> readObject(depth)
            '[' -> readList(depth)
            '"' -> JsonText(readText())
            't' -> readWord("true", JsonFlag(true))
            'f' -> readWord("false", JsonFlag(false))
            'n' -> readWord("null", JsonNull)
            else -> readNumber()
        }
    }

    private fun readObject(depth: Int): JsonValue {
        val members = LinkedHashMap<String, JsonValue>()
        at++
        skipSpace()
        if (takes('}')) return JsonObject(members)
        do {
            skipSpace()
            if (peek() != '"') fail("a key is missing")
            val key = readText()
            skipSpace()
            expect(':')
            if (members.put(key, readValue(depth + 1)) != null) fail("the key \"$key\" is given twice")
            skipSpace()
        } while (takes(','))
        expect('}')
        return JsonObject(members)
    }

    private fun readList(depth: Int): JsonValue {
        val items = ArrayList<JsonValue>()
        at++
        skipSpace()
        if (takes(']')) return JsonList(items)
        do {
            items.add(readValue(depth + 1))
            skipSpace()
        } while (takes(','))
        expect(']')
        return JsonList(items)
    }

    private fun readText(): String {
        val out = StringBuilder()
        expect('"')
        while (!takes('"')) {
            val character = peek() ?: fail("a text has no end")
            if (character < ' ') fail("a text holds a control character")
            at++
            out.append(if (character == '\\') readEscape() else character)
        }
        checkPairs(out)
        return out.toString()
    }

    private fun readEscape(): Char {
        val kind = peek() ?: fail("a text has no end")
        at++
        return when (kind) {
            '"', '\\', '/' -> kind
            'b' -> '\b'
            'f' -> '\u000c'
            'n' -> '\n'
            'r' -> '\r'
            't' -> '\t'
            'u' -> readUnit()
            else -> fail("\\$kind is no escape")
        }
    }

    private fun readUnit(): Char {
        val digits = text.substring(at, minOf(at + 4, text.length))
        if (digits.length < 4 || !digits.all { it in '0'..'9' || it in 'a'..'f' || it in 'A'..'F' }) {
            fail("\\u needs four hexadecimal digits")
        }
        at += 4
        return digits.toInt(16).toChar()
    }

    private fun checkPairs(found: CharSequence) {
        var index = 0
        while (index < found.length) {
            val isPair = index + 1 < found.length && Character.isSurrogatePair(found[index], found[index + 1])
            if (!isPair && found[index].isSurrogate()) fail("a text holds half of a surrogate pair")
            index += if (isPair) 2 else 1
        }
    }

    private fun readNumber(): JsonValue {
        val match = NUMBER.matchAt(text, at) ?: fail("character $at begins no value")
        at = match.range.last + 1
        val value = match.value.toDouble()
        if (value.isInfinite()) fail("a number is too large")
        val isWhole = match.value.none { it == '.' || it == 'e' || it == 'E' }
        return JsonNumber(value, if (isWhole) match.value.toLongOrNull() else null)
    }

    private fun readWord(word: String, value: JsonValue): JsonValue {
        if (!text.startsWith(word, at)) fail("character $at begins no value")
        at += word.length
        return value
    }

    private fun skipSpace() {
        while (at < text.length && text[at] in " \t\r\n") at++
    }

    private fun peek(): Char? = text.getOrNull(at)

    private fun takes(character: Char): Boolean {
        if (peek() != character) return false
        at++
        return true
    }

    private fun expect(character: Char) {
        if (!takes(character)) fail("'$character' is missing at character $at")
    }

    private fun fail(why: String): Nothing = throw ManifestException("$document is not JSON: $why")

    private companion object {
        val NUMBER = Regex("-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
    }
}
