package ghostlens

import java.io.File as Path
import java.util.Base64
import kotlin.math.abs
import kotlin.math.sign
import kotlin.system.exitProcess

/** Runs all shared test vectors: `main(vectors.json)`. Prints what failed, and how many did. */
fun main(arguments: Array<String>) {
    val root = parseJson(Path(arguments[0]).readBytes(), "vectors.json", 64 shl 20)
    val checks = Checks()
    VectorRun(root, checks).runAll()
    checks.failed.take(40).forEach { println("FAILED $it") }
    println("${checks.passed} passed, ${checks.failed.size} failed")
    exitProcess(if (checks.failed.isEmpty()) 0 else 1)
}

private class Checks {
    var passed = 0
    val failed = ArrayList<String>()

    fun equal(about: String, found: Any?, expected: Any?) {
        if (found == expected) passed++ else failed.add("$about: $found, expected $expected")
    }

    fun close(about: String, found: Double?, expected: Double?, tolerance: Double) {
        val isClose = found == expected || (found != null && expected != null && abs(found - expected) <= tolerance)
        if (isClose) passed++ else failed.add("$about: $found, expected $expected")
    }

    fun refused(about: String, kind: Class<out GhostlensException>, run: () -> Unit) {
        try {
            run()
            failed.add("$about: nothing was refused")
        } catch (error: GhostlensException) {
            if (kind.isInstance(error)) passed++ else failed.add("$about: $error")
        }
    }
}

private operator fun JsonValue.get(key: String): JsonValue = (this as JsonObject).members[key] ?: JsonNull

private val JsonValue.items: List<JsonValue> get() = (this as? JsonList)?.items.orEmpty()

private val JsonValue.members: Map<String, JsonValue> get() = (this as JsonObject).members

private val JsonValue.text: String? get() = (this as? JsonText)?.value

private val JsonValue.texts: List<String> get() = items.mapNotNull { it.text }

private val JsonValue.number: Double? get() = (this as? JsonNumber)?.value

private val JsonValue.long: Long? get() = (this as? JsonNumber)?.whole

private val JsonValue.int: Int? get() = long?.toInt()

private val JsonValue.flag: Boolean get() = (this as JsonFlag).value

private class VectorRun(private val root: JsonValue, private val checks: Checks) {
    fun runAll() {
        checks.equal("schema", root["schema"].text, "ghostlens.vectors/1")
        runConstants()
        runBucketing()
        runVersions()
        runDecisions()
        runGeometry()
        runPixels()
        runVerdicts()
        runDocuments()
        runNames()
    }

    private fun runConstants() {
        checks.equal("runtimes", RUNTIMES_OF, root["constants"]["runtimes_of"].members.mapValues { it.value.texts })
        val found = VARIANTS.map { listOf(it.runtime, it.precision, it.backend, it.executedHere) }
        val expected = root["constants"]["variants"].items.map {
            listOf(it["runtime"].text, it["precision"].text, it["backend"].text, it["executed_here"].flag)
        }
        checks.equal("variants", found, expected)
    }

    private fun runBucketing() {
        for (case in root["bucketing"].items) {
            val (salt, id) = case["salt"].text!! to case["device_id"].text
            case["bucket"].long?.let { checks.equal("bucket of $id", findBucket(salt, id!!), it) }
            for ((share, included) in case["included"].members) {
                checks.equal("$id in $share", isIncluded(salt, id, share.toInt()), included.flag)
            }
        }
    }

    private fun runVersions() {
        val ascending = root["version_order"]["ascending"].texts
        for ((i, left) in ascending.withIndex()) {
            for ((j, right) in ascending.withIndex()) {
                checks.equal("$left, $right", compareVersions(left, right).sign, (i - j).sign)
            }
        }
        for (pair in root["version_order"]["same"].items) {
            checks.equal("$pair", compareVersions(pair.texts[0], pair.texts[1]), 0)
        }
        for (text in root["version_order"]["malformed"].texts) {
            checks.refused("version $text", VersionException::class.java) { compareVersions(text, "1.0.0") }
        }
        for (case in root["ranges"]["cases"].items) {
            val found = case["version"].text!! in VersionRange(case["range"].text!!)
            checks.equal("${case["version"]} in ${case["range"]}", found, case["contains"].flag)
        }
        for (text in root["ranges"]["malformed"].texts) {
            checks.refused("range $text", VersionException::class.java) { VersionRange(text) }
        }
        for (case in root["systems"]["cases"].items) {
            val order = compareSystems(case["left"].text!!, case["right"].text!!)
            checks.equal("system $case", order.sign, case["order"].int)
        }
        for (text in root["systems"]["malformed"].texts) {
            checks.refused("system $text", VersionException::class.java) { compareSystems(text, "1") }
        }
        for (case in root["executorch"].items) {
            checks.equal("$case", runsOnExecutorch(case["made_with"].text!!, case["linked"].text!!), case["runs"].flag)
        }
    }

    private fun runDecisions() {
        val section = root["decisions"]
        val releases = section["releases"].members.mapValues { checkRelease(Node(it.value, "", it.key)) }
        val offers = section["offers"].members.mapValues { toOffer(it.value) }
        for (case in section["cases"].items) {
            val release = releases.getValue(case["release"].text!!)
            val restraint = Restraint(case["restraint"]["halted"].texts.toSet(), case["restraint"]["share_bp"].int!!)
            val found = decide(release, toDevice(case["device"]), offers, restraint)
            val expected = case["decision"]
            checks.equal(
                "${case["release"].text}: ${case["about"].text}",
                listOf(found.action.word, found.code.word, found.version, found.artifact),
                listOf("action", "code", "version", "artifact").map { expected[it].text },
            )
        }
    }

    private fun toOffer(value: JsonValue): Offer {
        val artifacts = value["artifacts"].items.map {
            OfferedArtifact(
                it["path"].text!!, it["runtime"].text!!, it["precision"].text!!, it["backend"].text!!,
                it["platforms"].texts, it["made_with"].text!!, it["sha256"].text!!, it["size_bytes"].long!!,
            )
        }
        return Offer(value["manifest_sha256"].text!!, artifacts, value["other_bytes"].long!!)
    }

    private fun toDevice(value: JsonValue): Device {
        val current = value["current"]
        return Device(
            platform = value["platform"].text!!,
            osVersion = value["os_version"].text,
            appVersion = value["app_version"].text,
            deviceId = value["device_id"].text,
            channel = value["channel"].text ?: Constants.STABLE,
            runtimes = value["runtimes"].items.map { RuntimeOfApp(it["name"].text!!, it["version"].text) },
            precision = value["precision"].text,
            memoryBytes = value["memory_bytes"].long,
            freeBytes = value["free_bytes"].long,
            network = value["network"].text,
            running = if (current == JsonNull) null else Running(current["version"].text!!, current["manifest_sha256"].text),
            have = value["have"].texts.toSet(),
            refused = value["refused"].texts.toSet(),
        )
    }

    private fun runGeometry() {
        for (case in root["preprocess"]["geometry"].items) {
            val by = Preprocess(case["input_px"].int!!, case["resize_px"].int!!, "bilinear", emptyList())
            val (width, height) = case["size"].items.map { it.int!! }
            val found = by.geometry(width, height)
            val expected = (case["resized"].items + case["corner"].items).map { it.int!! }
            checks.equal("$width x $height by $by", listOf(found.width, found.height, found.left, found.top), expected)
        }
    }

    private fun runPixels() {
        val turns = root["preprocess"]["turns"]
        for ((tag, expected) in turns["turned"].members) {
            val (found, wanted) = turn(toPixels(turns["photo"]), tag.toInt()) to toPixels(expected)
            checks.equal("turn $tag", found.width to found.height, wanted.width to wanted.height)
            checks.equal("turn $tag", found.rgb.toList(), wanted.rgb.toList())
        }
        val tolerance = root["preprocess"]["tolerance_levels"].int!!
        for (case in root["preprocess"]["pixels"].items) {
            val by = Preprocess(case["input_px"].int!!, case["resize_px"].int!!, case["resampler"].text!!, emptyList())
            val found = by.apply(toPixels(case["photo"])).rgb
            val expected = Base64.getDecoder().decode(case["expected"].text)
            val worst = found.indices.maxOf { abs((found[it].toInt() and 0xff) - (expected[it].toInt() and 0xff)) }
            checks.equal("samples of ${by.resampler}", found.size, expected.size)
            checks.equal("${by.resampler} differs by $worst levels", worst <= tolerance, true)
        }
        checks.refused("too few bytes", PhotoException::class.java) { Pixels(2, 2, ByteArray(11)) }
        checks.refused("too thin", PhotoException::class.java) { Pixels(21, 1, ByteArray(63)) }
        checks.equal("ARGB", Pixels.fromArgb(1, 1, intArrayOf(0x7f010203)).rgb.toList(), listOf<Byte>(1, 2, 3))
    }

    private fun toPixels(value: JsonValue) =
        Pixels(value["width"].int!!, value["height"].int!!, Base64.getDecoder().decode(value["rgb"].text))

    private fun runVerdicts() {
        val section = root["verdicts"]
        val hierarchy = readHierarchy(Node(section["hierarchy"], "hierarchy", "vectors"))
        val tolerance = section["tolerance"].number!!
        for (case in section["cases"].items) {
            val about = case["about"].text!!
            val given = case["probabilities"].items.map { it.number!! }
            val found = judge(given, case["known_score"].number!!, toLimits(case["limits"]), hierarchy.takeIf { case["has_coarse"].flag })
            checks.equal(about, found.verdict.word, case["verdict"].text)
            checks.equal(about, listOf(found.index, found.coarseIndex), listOf(case["index"].int, case["coarse_index"].int))
            checks.close(about, found.probability, case["probability"].number, tolerance)
            checks.close(about, found.coarseProbability, case["coarse_probability"].number, tolerance)
        }
        for (case in section["refused"].items) {
            val given = case["probabilities"].items.map { it.number ?: Double.NaN }
            checks.refused(case["about"].text!!, ConfidenceException::class.java) {
                judge(given, case["known_score"].number ?: Double.NaN, Limits(1.0, "known_score", null, null, null), null)
            }
        }
    }

    private fun toLimits(value: JsonValue) = Limits(
        value["temperature"].number!!, value["score"].text!!, value["min_score"].number, value["sure"].number, value["coarse"].number,
    )

    private fun runDocuments() {
        val section = root["documents"]
        for ((kind, document) in section["valid"].members) read(kind, document)
        for (edit in section["refused"].items) {
            val document = edit["document"].text!!
            checks.refused("$document with $edit", ManifestException::class.java) { readAny(document, apply(section, edit)) }
        }
        for (text in section["not_json"].texts) {
            checks.refused("text $text", ManifestException::class.java) { parseJson(text.toByteArray(), "text", 1 shl 20) }
        }
        checks.refused("not UTF-8", ManifestException::class.java) { parseManifest(byteArrayOf(0x22, 0xff.toByte(), 0x22)) }
    }

    private fun runNames() {
        for (case in root["languages"].items) {
            val found = chooseLanguage(case["there"].texts, case["wanted"].text!!)
            checks.equal("${case["wanted"]} of ${case["there"]}", found, case["chosen"].text)
        }
        val valid = root["names"]["valid"].members.mapValues { it.value.text }
        val text = valid.entries.joinToString(",", "{", "}") { "\"${it.key}\":\"${it.value}\"" }
        checks.equal("names", parseNames(text.toByteArray()), valid)
        for (refused in root["names"]["refused"].texts) {
            checks.refused("names $refused", ManifestException::class.java) { parseNames(refused.toByteArray()) }
        }
        for ((kind, expected) in mapOf("manifest" to listOf("zh-Hans"), "manifest without names" to emptyList())) {
            checks.equal("languages", checkManifest(Node(root["documents"]["valid"][kind], "", kind)).languages, expected)
        }
    }

    private fun read(kind: String, document: JsonValue) =
        try {
            readAny(kind, document)
            checks.passed++
        } catch (error: GhostlensException) {
            checks.equal("$kind is read", error.message, null)
        }

    private fun readAny(kind: String, document: JsonValue) {
        val node = Node(document, "", kind)
        if (kind.startsWith("manifest")) checkManifest(node) else checkRelease(node)
    }

    private fun apply(section: JsonValue, edit: JsonValue): JsonValue {
        val document = section["valid"][edit["document"].text!!]
        return edited(document, edit["path"].items, edit.members["value"])!!
    }

    /** Returns a value with another one at a path, or without it where that is null. */
    private fun edited(value: JsonValue, path: List<JsonValue>, other: JsonValue?): JsonValue? {
        val first = path.firstOrNull() ?: return other
        if (value is JsonList) {
            return JsonList(value.items.mapIndexedNotNull { index, item ->
                if (index == first.int) edited(item, path.drop(1), other) else item
            })
        }
        val members = LinkedHashMap(value.members)
        val changed = edited(members[first.text!!] ?: JsonNull, path.drop(1), other)
        if (changed == null) members.remove(first.text!!) else members[first.text!!] = changed
        return JsonObject(members)
    }
}
