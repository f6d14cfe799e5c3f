package ghostlens

/** Languages that a version has names in, as BCP 47 tags; labels stand beside them. */
val Manifest.languages: List<String>
    get() = otherFiles.filter { it.role == "names" }
        .map { it.path.removePrefix(FOLDERS.getValue("names")).removeSuffix(".json") }.sorted()

/** Where a language's names lie. */
fun namesPath(language: String): String = "${FOLDERS.getValue("names")}$language.json"

/**
 * Reads the names of a language, by label or coarse class. What has no name is not there: show the label.
 *
 * @throws ManifestException malformed; the message names the path of the bad key.
 */
fun parseNames(data: ByteArray): Map<String, String> {
    val root = Node(parseJson(data, "names", Constants.MAX_NAMES_BYTES), "", "names")
    return root.entries(Int.MAX_VALUE).mapValues { (_, node) ->
        val name = node.text(Constants.MAX_LABEL_CHARS)
        if (isPlain(name)) name else node.fail("\"$name\" is not allowed")
    }
}

/**
 * The language that fits a wanted one best, or null where none does.
 *
 * The language must be the same, and the script, where both name one; then the same region is better
 * than none, and none better than another. Chinese without a script is in Hant for TW, HK and MO,
 * and in Hans elsewhere.
 *
 * @param wanted any BCP 47 tag, as `Locale.toLanguageTag` gives it.
 */
fun chooseLanguage(languages: List<String>, wanted: String): String? {
    val asked = split(wanted) ?: return null
    return languages.maxByOrNull { rank(split(it), asked) }?.takeIf { rank(split(it), asked) > 0 }
}

private val TRADITIONAL = listOf("tw", "hk", "mo")

/** Language, script and region in lower case; the latter are empty where not named. */
private fun split(tag: String): List<String>? {
    val (language, script, region) = Patterns.wantedLanguage.match(tag.lowercase())?.destructured ?: return null
    val implied = if (region in TRADITIONAL) "hant" else "hans"
    return listOf(language, if (language == "zh") script.ifEmpty { implied } else script, region)
}

/** 0 where a language does not fit, and more the better it does. */
private fun rank(found: List<String>?, asked: List<String>): Int {
    if (found == null || found[0] != asked[0]) return 0
    val isSameScript = found[1] == asked[1]
    if (!isSameScript && found[1].isNotEmpty() && asked[1].isNotEmpty()) return 0
    val region = if (found[2] == asked[2]) 2 else 0
    return 1 + (if (isSameScript) 4 else 0) + region + (if (found[2].isEmpty()) 1 else 0)
}
