// Generated from clients/contract.json by `python -m mobile_assets contract`: do not edit.

package ghostlens

/** Names and limits. */
object Constants {
    const val GEN_GAMMA = 0.1
    const val GEN_TOP = 100
    const val LABELS_NAME = "labels.txt"
    const val MANIFEST_NAME = "manifest.json"
    const val MANIFEST_SCHEMA = "ghostlens.bundle/3"
    const val MAX_ASPECT = 20
    const val MAX_BOUNDS = 8
    const val MAX_CHANNELS = 100
    const val MAX_JSON_DEPTH = 32
    const val MAX_KNOWN_SCORE_DIFFERENCE = 0.1
    const val MAX_LABEL_CHARS = 200
    const val MAX_MANIFEST_BYTES = 16777216
    const val MAX_NAMES_BYTES = 16777216
    const val MAX_PIXELS = 52000000
    const val MAX_PROBABILITY_DIFFERENCE = 0.02
    const val MAX_RANGE_CHARS = 256
    const val MAX_RELEASE_BYTES = 4194304
    const val MIN_LABELS = 2
    const val NAMES_SCHEMA = "ghostlens.bundle/4"
    const val RELEASE_NAME = "release.json"
    const val RELEASE_SCHEMA = "ghostlens.release/2"
    const val SPACE_FACTOR = 2
    const val STABLE = "stable"
    const val WHOLE_SHARE_BP = 10000
}

/** The form of texts. */
object Patterns {
    val bound = TextPattern("(>=|>|<=|<|=)(.+)", 256, "bounds like >=1.2.0")
    val channelName = TextPattern("[a-z][a-z0-9-]{0,31}", 2000, "1 to 32 of a-z, 0-9 and '-', a letter first")
    val fileName = TextPattern("[A-Za-z0-9](?:[A-Za-z0-9._-]{0,148}[A-Za-z0-9_-])?", 2000, "A-Z, a-z, 0-9, '.', '_', '-'")
    val modelName = TextPattern("[a-z0-9]+(-[a-z0-9]+)*", 64, "a-z, 0-9 and single '-'")
    val modelVersion = TextPattern("(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?", 64, "versions like 1.2.0 or 1.2.0-rc.1")
    val name = TextPattern("[a-z0-9][a-z0-9_.-]{0,63}", 2000, "a-z, 0-9, '_', '.', '-'")
    val namesFile = TextPattern("([a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?)\\.json", 2000, "a language and .json: BCP 47 tags of language, script and region, as in en, zh-Hans or pt-BR")
    val runtimeVersion = TextPattern("(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})(?:[.+-].*)?", 2000, "versions like 1.4.1")
    val salt = TextPattern("[0-9a-f]{32}", 2000, "32 lower-case hexadecimal digits")
    val schema = TextPattern("(.+)/([1-9][0-9]{0,8})", 2000, "a name, a slash and a number")
    val semanticVersion = TextPattern("((?:0|[1-9][0-9]*))\\.((?:0|[1-9][0-9]*))\\.((?:0|[1-9][0-9]*))(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?", 128, "semantic versions")
    val sha256 = TextPattern("[0-9a-f]{64}", 2000, "64 lower-case hexadecimal digits")
    val systemVersion = TextPattern("(?:0|[1-9][0-9]{0,8})(?:\\.(?:0|[1-9][0-9]{0,8})){0,3}", 2000, "versions like 17.4")
    val time = TextPattern("([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", 2000, "RFC 3339 times in UTC, as in 2026-11-24T15:45:00Z")
    val wantedLanguage = TextPattern("([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?(?:-.*)?", 2000, "tags like zh-cn, in lower case")
}

/** The words that are allowed. */
object Lists {
    val backends = listOf("", "coreml", "vulkan", "xnnpack")
    val fittedOn = listOf("artifact", "reference")
    val networks = listOf("unmetered", "metered")
    val networksOfConditions = listOf("any", "unmetered")
    val outputs = listOf("probabilities", "known_score")
    val platforms = listOf("android", "ios", "web", "python")
    val precisions = listOf("fp32", "fp16", "int8", "dynamic-int8", "int8-weights", "palette8", "palette6")
    val pulledRoles = listOf("labels", "names", "golden", "licence")
    val resamplers = listOf("bilinear", "bicubic", "lanczos")
    val roles = listOf("artifact", "golden", "report", "licence", "labels", "names", "cloud-artifact", "cloud-golden", "cloud-report", "cloud-licence")
    val runtimes = listOf("executorch", "litert", "coreml")
    val scores = listOf("known_score", "max_probability", "gen")
}

/** The folder in which the files of each role lie. */
val FOLDERS = mapOf(
    "artifact" to "artifacts/",
    "cloud-artifact" to "cloud/artifacts/",
    "cloud-golden" to "cloud/golden/",
    "cloud-licence" to "cloud/licences/",
    "cloud-report" to "cloud/reports/",
    "golden" to "golden/",
    "labels" to "",
    "licence" to "licences/",
    "names" to "names/",
    "report" to "reports/",
)

/** The runtimes of each platform, the default first. */
val RUNTIMES_OF = mapOf(
    "android" to listOf("litert", "executorch"),
    "ios" to listOf("coreml", "litert", "executorch"),
    "python" to listOf("litert"),
    "web" to listOf("litert"),
)

/** The kinds of artifacts, of each runtime the most faithful first. */
val VARIANTS = listOf(
    Variant("executorch", "fp32", "xnnpack", true),
    Variant("executorch", "int8", "xnnpack", true),
    Variant("executorch", "fp16", "coreml", false),
    Variant("executorch", "fp16", "vulkan", false),
    Variant("litert", "fp32", "", true),
    Variant("litert", "fp16", "", true),
    Variant("litert", "dynamic-int8", "", true),
    Variant("litert", "int8", "", true),
    Variant("coreml", "fp16", "", true),
    Variant("coreml", "int8-weights", "", true),
    Variant("coreml", "palette8", "", true),
    Variant("coreml", "palette6", "", true),
)

/** The action of an answer. */
enum class Action(val word: String) {
    /** Run what the app was shipped with. */
    GO_BACK("go-back"),
    /** Run on as you are. */
    NONE("none"),
    /** Download the version and switch to it. */
    TAKE("take"),
}

/** The code of an answer. */
enum class Code(val word: String) {
    /** None: the version's conditions do not hold for this device. */
    CONDITIONS("conditions"),
    /** None: the version is offered to nobody any more who does not run it. */
    DEPRECATED("deprecated"),
    /** Take: it runs nothing of this model that was published. */
    FIRST("first"),
    /** None or go-back: the version was halted. */
    HALTED("halted"),
    /** None: a version is on its way, but paused, or held until enough devices reported. */
    HELD("held"),
    /** None: the version may only be downloaded over an unmetered network. */
    NETWORK("network"),
    /** Take: a newer version. */
    NEW_VERSION("new-version"),
    /** None: there is no such channel. */
    NO_CHANNEL("no-channel"),
    /** None: less than twice the download is free. */
    NO_SPACE("no-space"),
    /** None: a version is on its way, but not to this device. */
    NOT_IN_ROLLOUT("not-in-rollout"),
    /** No answer to a check: the version is not one of the channel's. */
    NOT_OFFERED("not-offered"),
    /** None: the version has no file that this app can run. */
    NOTHING_FITS("nothing-fits"),
    /** Take: what it runs has other content than was published. */
    OTHER_CONTENT("other-content"),
    /** None or go-back: the version failed on this device. */
    REFUSED_HERE("refused-here"),
    /** Take: what it runs is no longer offered to it, an older version is. */
    ROLLED_BACK("rolled-back"),
    /** None: it runs what it should. */
    UP_TO_DATE("up-to-date"),
    /** Go-back: what it runs is no longer offered to it, nor can it take another. */
    WITHDRAWN("withdrawn"),
}

/** The verdict of an answer. */
enum class Verdict(val word: String) {
    /** Only the coarse class does. */
    COARSE("coarse"),
    /** The label stands. */
    SURE("sure"),
    /** None of the labels. */
    UNKNOWN("unknown"),
    /** Ask a better network, or a person. */
    UNSURE("unsure"),
}

/** One model file for one runtime. */
data class Artifact(
    val path: String,
    val sha256: String,
    val sizeBytes: Long,
    /** "executorch", "litert" or "coreml". */
    val runtime: String,
    /** As in "fp32". */
    val precision: String,
    /** The delegate of an ExecuTorch program; empty for other runtimes. */
    val backend: String,
    /** Those it is for. */
    val platforms: List<String>,
    /** Name, layout, dtype, shape and range of what it takes. */
    val input: JsonValue,
    /** Name, dtype and shape of what it gives, in the file's order: probabilities, then the known score. */
    val outputs: List<JsonValue>,
    /** What made it. */
    val toolVersions: Map<String, String>,
    val hasParity: Boolean,
    /** Temperature and thresholds for its answers; null like the above. */
    val confidence: Confidence?,
    /** A person named it on the command line although it was refused. */
    val acceptedByHand: Boolean,
    /** Why it was refused, in words; empty unless accepted by hand. */
    val objections: List<String>,
)

internal fun readArtifact(node: Node): Artifact {
    val keys = node.table(listOf("path", "sha256", "size_bytes", "runtime", "precision", "backend", "platforms", "input", "outputs", "tool_versions", "parity", "confidence", "accepted_by_hand", "objections", "requires"))
    return Artifact(
        path = keys.getValue("path").text(2000),
        sha256 = keys.getValue("sha256").matching(Patterns.sha256),
        sizeBytes = keys.getValue("size_bytes").whole(0, 1073741824),
        runtime = keys.getValue("runtime").oneOf(Lists.runtimes),
        precision = keys.getValue("precision").oneOf(Lists.precisions),
        backend = keys.getValue("backend").oneOf(Lists.backends),
        platforms = keys.getValue("platforms").items(1, 4).map { item -> item.oneOf(Lists.platforms) },
        input = keys.getValue("input").value,
        outputs = keys.getValue("outputs").items(2, 2).map { item -> item.value },
        toolVersions = keys.getValue("tool_versions").entries(100000).mapValues { (_, item) -> item.text(2000) },
        hasParity = !keys.getValue("parity").isNull,
        confidence = keys.getValue("confidence").orNull { item -> readConfidence(item) },
        acceptedByHand = keys.getValue("accepted_by_hand").flag(),
        objections = keys.getValue("objections").items(0, 50).map { item -> item.text(2000) },
    )
}

/** What the devices that follow a channel run. */
data class Channel(
    /** The version for all that no rollout includes. */
    val current: String,
    /** A person fixed it: publishing and rollouts leave it alone until it is unpinned. */
    val pinned: Boolean,
    /** A newer version for some of them; null where none is on its way. */
    val rollout: Rollout?,
)

internal fun readChannel(node: Node): Channel {
    val keys = node.table(listOf("current", "pinned", "rollout"))
    return Channel(
        current = keys.getValue("current").matching(Patterns.modelVersion),
        pinned = keys.getValue("pinned").flag(),
        rollout = keys.getValue("rollout").orNull { item -> readRollout(item) },
    )
}

/** What a device must be like to be offered a version. */
data class Conditions(
    /** For some platforms the oldest version of the operating system. */
    val minOs: Map<String, String>?,
    /** Which versions of the app, as in ">=1.2.0 <3.0.0". */
    val appVersion: VersionRange?,
    /** How much memory. */
    val minMemoryBytes: Long?,
    /** "unmetered" to be downloaded over Wi-Fi only, or "any". */
    val network: String?,
)

internal fun readConditions(node: Node): Conditions {
    val keys = node.table(listOf(), listOf("min_os", "app_version", "min_memory_bytes", "network"))
    return Conditions(
        minOs = keys["min_os"]?.let { item -> item.entries(100000, Lists.platforms).mapValues { (_, item) -> item.matching(Patterns.systemVersion) } },
        appVersion = keys["app_version"]?.let { item -> readRange(item) },
        minMemoryBytes = keys["min_memory_bytes"]?.let { item -> item.whole(1, 1125899906842624) },
        network = keys["network"]?.let { item -> item.oneOf(Lists.networksOfConditions) },
    )
}

/** The temperature and the thresholds of one artifact. */
data class Confidence(
    /** "artifact" where they were fitted on its own answers; "reference" where nothing here runs it, and those of the trained network stand in. */
    val fittedOn: String,
    val temperature: Double,
    val sure: Threshold,
    val coarse: Threshold?,
    val known: Known,
)

internal fun readConfidence(node: Node): Confidence {
    val keys = node.table(listOf("fitted_on", "temperature", "sure", "coarse", "known"))
    return Confidence(
        fittedOn = keys.getValue("fitted_on").oneOf(Lists.fittedOn),
        temperature = keys.getValue("temperature").number(0.05, 20.0),
        sure = readThreshold(keys.getValue("sure")),
        coarse = keys.getValue("coarse").orNull { item -> readThreshold(item) },
        known = readKnown(keys.getValue("known")),
    )
}

/** One file of a bundle. */
data class File(
    /** Where it lies in the bundle, with forward slashes. */
    val path: String,
    /** One of `FOLDERS`. */
    val role: String,
    /** Of its bytes, 64 hexadecimal digits. */
    val sha256: String,
    /** Its length. */
    val sizeBytes: Long,
)

internal fun readFile(node: Node): File {
    val keys = node.table(listOf("path", "role", "sha256", "size_bytes"))
    return File(
        path = keys.getValue("path").text(2000),
        role = keys.getValue("role").oneOf(Lists.roles),
        sha256 = keys.getValue("sha256").matching(Patterns.sha256),
        sizeBytes = keys.getValue("size_bytes").whole(0, 1073741824),
    )
}

/** A photo with the answers expected of each artifact. */
data class Golden(
    /** Path of the photo in the bundle. */
    val file: String,
    /** Its true label. */
    val label: String,
    /** For each artifact (by path) the probability of every label, in label order. */
    val answers: Map<String, List<Double>>,
    /** For each artifact (by path) its known score. */
    val knownScores: Map<String, Double>,
)

internal fun readGolden(node: Node): Golden {
    val keys = node.table(listOf("file", "label", "answers", "known_scores"))
    return Golden(
        file = keys.getValue("file").text(2000),
        label = keys.getValue("label").text(2000),
        answers = keys.getValue("answers").entries(100000).mapValues { (_, item) -> item.items(0, 100000).map { item -> item.number(0.0, 1.0) } },
        knownScores = keys.getValue("known_scores").entries(100000).mapValues { (_, item) -> item.number(-1e+30, 1e+30) },
    )
}

/** The coarse class of each label. */
data class Hierarchy(
    /** Names of the coarse classes. */
    val coarse: List<String>,
    /** For each label, in order, the index of its coarse class. */
    val parents: List<Int>,
)

internal fun readHierarchy(node: Node): Hierarchy {
    val keys = node.table(listOf("coarse", "parents"))
    return Hierarchy(
        coarse = keys.getValue("coarse").items(2, 100000).map { item -> item.text(2000) },
        parents = keys.getValue("parents").items(2, 100000).map { item -> item.int(0, 100000) },
    )
}

/** From which score on a photo shows a known thing. */
data class Known(
    /** One of `SCORES`. */
    val score: String,
    /** Below it is "not a known thing"; null where that is never said. */
    val minScore: Double?,
)

internal fun readKnown(node: Node): Known {
    val keys = node.table(listOf("score", "min_score", "target_precision", "cross_fitted", "kept", "rejected", "named", "precision", "precision_interval_95"))
    return Known(
        score = keys.getValue("score").oneOf(Lists.scores),
        minScore = keys.getValue("min_score").orNull { item -> item.number(-1000000000000.0, 1.0) },
    )
}

/** Everything about a bundle. */
data class Manifest(
    /** Name of the model. */
    val model: String,
    /** Semantic version; never changes its content. */
    val version: String,
    /** As in "ghostnet_100". */
    val architecture: String,
    /** Names the training result that the artifacts were made from. */
    val checkpointSha256: String,
    /** Class names in the order of the outputs. */
    val labels: List<String>,
    /** From a photo to the input's pixels. */
    val preprocess: Preprocess,
    /** The coarse class of each label, for devices and the cloud alike; null where there are none. */
    val hierarchy: Hierarchy?,
    /** Where the photos came from. */
    val photosSource: String,
    /** Under which terms. */
    val photosLicence: String,
    /** The model files. */
    val artifacts: List<Artifact>,
    /** Photos with expected answers. */
    val golden: List<Golden>,
    /** Labels, names, golden photos, reports and licences. */
    val otherFiles: List<File>,
    val hasCloud: Boolean,
)

internal fun readManifest(node: Node): Manifest {
    val keys = node.table(listOf("schema", "model", "version", "architecture", "checkpoint_sha256", "labels", "preprocess", "hierarchy", "metrics", "photos_source", "photos_licence", "artifacts", "golden", "other_files", "cloud", "comparison"))
    return Manifest(
        model = keys.getValue("model").matching(Patterns.modelName),
        version = keys.getValue("version").matching(Patterns.modelVersion),
        architecture = keys.getValue("architecture").matching(Patterns.name),
        checkpointSha256 = keys.getValue("checkpoint_sha256").matching(Patterns.sha256),
        labels = keys.getValue("labels").items(2, 100000).map { item -> item.text(2000) },
        preprocess = readPreprocess(keys.getValue("preprocess")),
        hierarchy = keys.getValue("hierarchy").orNull { item -> readHierarchy(item) },
        photosSource = keys.getValue("photos_source").text(2000),
        photosLicence = keys.getValue("photos_licence").text(100000),
        artifacts = keys.getValue("artifacts").items(1, 50).map { item -> readArtifact(item) },
        golden = keys.getValue("golden").items(0, 1000).map { item -> readGolden(item) },
        otherFiles = keys.getValue("other_files").items(0, 1000).map { item -> readFile(item) },
        hasCloud = !keys.getValue("cloud").isNull,
    )
}

/** From a decoded photo to model input. */
data class Preprocess(
    /** Side of the square that the model takes, in pixels, 32 to 1024. */
    val inputPx: Int,
    /** Length of the photo's shorter side before the centre crop, at least `input_px`. */
    val resizePx: Int,
    /** "bilinear", "bicubic" or "lanczos", each with Pillow's antialiasing: the filter's support grows with the factor of reduction. */
    val resampler: String,
    val steps: List<String>,
)

internal fun readPreprocess(node: Node): Preprocess {
    val keys = node.table(listOf("input_px", "resize_px", "resampler", "steps"))
    return Preprocess(
        inputPx = keys.getValue("input_px").int(32, 1024),
        resizePx = keys.getValue("resize_px").int(32, 2048),
        resampler = keys.getValue("resampler").oneOf(Lists.resamplers),
        steps = keys.getValue("steps").items(0, 100).map { item -> item.text(2000) },
    )
}

/** A version that was published; it is never removed, and its content never changes. */
data class PublishedVersion(
    /** A semantic version. */
    val version: String,
    /** When, RFC 3339 in UTC to the second. */
    val publishedAt: String,
    /** What a device must be like to be offered it; null for any. */
    val conditions: Conditions?,
    /** Why it is offered to nobody any more who does not run it; null where it is. */
    val deprecated: String?,
)

internal fun readPublishedVersion(node: Node): PublishedVersion {
    val keys = node.table(listOf("version", "published_at", "conditions", "deprecated"))
    return PublishedVersion(
        version = keys.getValue("version").matching(Patterns.modelVersion),
        publishedAt = readTime(keys.getValue("published_at")),
        conditions = keys.getValue("conditions").orNull { item -> readConditions(item) },
        deprecated = keys.getValue("deprecated").orNull { item -> item.text(2000) },
    )
}

/** What is published of one model, and the policy of who is offered which version. */
data class Release(
    /** Its name. */
    val model: String,
    /** All that are published, in the order of publishing. */
    val versions: List<PublishedVersion>,
    /** By name; `stable` is always among them. */
    val channels: Map<String, Channel>,
)

internal fun readRelease(node: Node): Release {
    val keys = node.table(listOf("schema", "model", "versions", "channels"))
    return Release(
        model = keys.getValue("model").matching(Patterns.modelName),
        versions = keys.getValue("versions").items(1, 10000).map { item -> readPublishedVersion(item) },
        channels = keys.getValue("channels").entries(100).mapValues { (_, item) -> readChannel(item) },
    )
}

/** A version on its way to a share of the devices of a channel. */
data class Rollout(
    /** The one that those devices are offered. */
    val version: String,
    /** How many of 10,000 devices. */
    val shareBp: Int,
    /** Decides which; 32 hexadecimal digits, new for each rollout. */
    val salt: String,
    /** When, RFC 3339 in UTC to the second. */
    val startedAt: String,
)

internal fun readRollout(node: Node): Rollout {
    val keys = node.table(listOf("version", "share_bp", "salt", "started_at"))
    return Rollout(
        version = keys.getValue("version").matching(Patterns.modelVersion),
        shareBp = keys.getValue("share_bp").int(0, 10000),
        salt = keys.getValue("salt").matching(Patterns.salt),
        startedAt = readTime(keys.getValue("started_at")),
    )
}

/** From which probability on an answer stands. */
data class Threshold(
    /** Calibrated, over 0 to 1; null where no value reaches the target on enough photos: then no answer stands. */
    val minProbability: Double?,
)

internal fun readThreshold(node: Node): Threshold {
    val keys = node.table(listOf("min_probability", "target_precision", "cross_fitted", "precision", "precision_interval_95", "coverage", "coverage_interval_95", "photos"))
    return Threshold(
        minProbability = keys.getValue("min_probability").orNull { item -> item.number(0.0, 1.0) },
    )
}
