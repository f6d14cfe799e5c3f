package ghostlens

/** Where a semantic version stands (Semantic Versioning 2.0.0, section 11); numbers of any length. */
private class VersionKey(match: MatchResult) : Comparable<VersionKey> {
    private val core = (1..3).map { match.groupValues[it] }
    private val prerelease = match.groupValues[4].let { if (it.isEmpty()) emptyList() else it.split('.') }

    override fun compareTo(other: VersionKey): Int {
        for ((left, right) in core.zip(other.core)) {
            compareNumbers(left, right).let { if (it != 0) return it }
        }
        if (prerelease.isEmpty() || other.prerelease.isEmpty()) {
            return prerelease.isEmpty().compareTo(other.prerelease.isEmpty())
        }
        for ((left, right) in prerelease.zip(other.prerelease)) {
            compareIdentifiers(left, right).let { if (it != 0) return it }
        }
        return prerelease.size.compareTo(other.prerelease.size)
    }
}

/** Neither has leading zeros, so that the longer one is the larger. */
private fun compareNumbers(left: String, right: String): Int =
    if (left.length != right.length) left.length.compareTo(right.length) else left.compareTo(right)

/** Numbers come before names. */
private fun compareIdentifiers(left: String, right: String): Int {
    val (isLeft, isRight) = listOf(left, right).map { text -> text.all { it in '0'..'9' } }
    if (isLeft && isRight) return compareNumbers(left, right)
    return if (isLeft != isRight) isRight.compareTo(isLeft) else left.compareTo(right)
}

private fun versionKey(version: String): VersionKey =
    Patterns.semanticVersion.match(version)?.let(::VersionKey)
        ?: throw VersionException("the version \"$version\": allowed are semantic versions, as in 1.2.0-beta.1")

/**
 * Returns less than, equal to, or more than 0: whether the left version comes before, with or after.
 *
 * @throws VersionException not a semantic version.
 */
fun compareVersions(left: String, right: String): Int = versionKey(left).compareTo(versionKey(right))

/**
 * Which versions are meant, as in ">=1.2.0 <3.0.0": one to eight bounds, all of which must hold.
 *
 * @throws VersionException not of this form.
 */
data class VersionRange(val text: String) {
    init {
        bounds()
    }

    /** Returns whether a version is meant; throws VersionException where it is none. */
    operator fun contains(version: String): Boolean {
        val key = versionKey(version)
        return bounds().all { (operator, bound) ->
            val order = key.compareTo(bound)
            when (operator) {
                ">=" -> order >= 0
                ">" -> order > 0
                "<=" -> order <= 0
                "<" -> order < 0
                else -> order == 0
            }
        }
    }

    private fun bounds(): List<Pair<String, VersionKey>> {
        val parts = if (text.length > Constants.MAX_RANGE_CHARS) emptyList() else text.split(' ')
        val matches = parts.mapNotNull(Patterns.bound::match)
        if (matches.isEmpty() || matches.size != parts.size || matches.size > Constants.MAX_BOUNDS) {
            throw VersionException("the range \"$text\": allowed are 1 to ${Constants.MAX_BOUNDS} bounds, as in >=1.2.0 <3.0.0")
        }
        return matches.map { it.groupValues[1] to versionKey(it.groupValues[2]) }
    }
}

internal fun readRange(node: Node): VersionRange =
    try {
        VersionRange(node.text(Constants.MAX_RANGE_CHARS))
    } catch (error: VersionException) {
        node.fail(error.message.orEmpty())
    }

/**
 * Compares versions of operating systems; "16" is "16.0.0".
 *
 * @throws VersionException not one to four numbers with dots between them.
 */
fun compareSystems(left: String, right: String): Int {
    val (first, second) = listOf(left, right).map { text ->
        Patterns.systemVersion.match(text) ?: throw VersionException("the system's version \"$text\": allowed are ${Patterns.systemVersion.allowed}")
        text.split('.').map(String::toInt)
    }
    for (index in 0 until maxOf(first.size, second.size)) {
        val order = (first.getOrNull(index) ?: 0).compareTo(second.getOrNull(index) ?: 0)
        if (order != 0) return order
    }
    return 0
}

/**
 * Returns whether a `.pte` file runs on a version of ExecuTorch's runtime: the minor version that
 * made it, and the next one.
 */
fun runsOnExecutorch(madeWith: String, linked: String): Boolean {
    val file = Patterns.runtimeVersion.match(madeWith)?.groupValues ?: return false
    val app = Patterns.runtimeVersion.match(linked)?.groupValues ?: return false
    return file[1] == app[1] && app[2].toInt() - file[2].toInt() in 0..1
}
