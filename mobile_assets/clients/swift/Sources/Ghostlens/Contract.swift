// Generated from clients/contract.json by `python -m mobile_assets contract`: do not edit.

/// Names and limits.
public enum Constants {
    public static let genGamma = 0.1
    public static let genTop = 100
    public static let labelsName = "labels.txt"
    public static let manifestName = "manifest.json"
    public static let manifestSchema = "ghostlens.bundle/3"
    public static let maxAspect = 20
    public static let maxBounds = 8
    public static let maxChannels = 100
    public static let maxJsonDepth = 32
    public static let maxKnownScoreDifference = 0.1
    public static let maxLabelChars = 200
    public static let maxManifestBytes = 16777216
    public static let maxNamesBytes = 16777216
    public static let maxPixels = 52000000
    public static let maxProbabilityDifference = 0.02
    public static let maxRangeChars = 256
    public static let maxReleaseBytes = 4194304
    public static let minLabels = 2
    public static let namesSchema = "ghostlens.bundle/4"
    public static let releaseName = "release.json"
    public static let releaseSchema = "ghostlens.release/2"
    public static let spaceFactor = 2
    public static let stable = "stable"
    public static let wholeShareBp = 10000
}

/// The form of texts.
public enum Patterns {
    static let bound = TextPattern(
        pattern: "(>=|>|<=|<|=)(.+)",
        maxChars: 256, allowed: "bounds like >=1.2.0")
    static let channelName = TextPattern(
        pattern: "[a-z][a-z0-9-]{0,31}",
        maxChars: 2000, allowed: "1 to 32 of a-z, 0-9 and '-', a letter first")
    static let fileName = TextPattern(
        pattern: "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,148}[A-Za-z0-9_-])?",
        maxChars: 2000, allowed: "A-Z, a-z, 0-9, '.', '_', '-'")
    static let modelName = TextPattern(
        pattern: "[a-z0-9]+(-[a-z0-9]+)*",
        maxChars: 64, allowed: "a-z, 0-9 and single '-'")
    static let modelVersion = TextPattern(
        pattern: "(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?",
        maxChars: 64, allowed: "versions like 1.2.0 or 1.2.0-rc.1")
    static let name = TextPattern(
        pattern: "[a-z0-9][a-z0-9_.-]{0,63}",
        maxChars: 2000, allowed: "a-z, 0-9, '_', '.', '-'")
    static let namesFile = TextPattern(
        pattern: "([a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?)\\.json",
        maxChars: 2000, allowed: "a language and .json: BCP 47 tags of language, script and region, as in en, zh-Hans or pt-BR")
    static let runtimeVersion = TextPattern(
        pattern: "(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})(?:[.+-].*)?",
        maxChars: 2000, allowed: "versions like 1.4.1")
    static let salt = TextPattern(
        pattern: "[0-9a-f]{32}",
        maxChars: 2000, allowed: "32 lower-case hexadecimal digits")
    static let schema = TextPattern(
        pattern: "(.+)/([1-9][0-9]{0,8})",
        maxChars: 2000, allowed: "a name, a slash and a number")
    static let semanticVersion = TextPattern(
        pattern: "((?:0|[1-9][0-9]*))\\.((?:0|[1-9][0-9]*))\\.((?:0|[1-9][0-9]*))(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?",
        maxChars: 128, allowed: "semantic versions")
    static let sha256 = TextPattern(
        pattern: "[0-9a-f]{64}",
        maxChars: 2000, allowed: "64 lower-case hexadecimal digits")
    static let systemVersion = TextPattern(
        pattern: "(?:0|[1-9][0-9]{0,8})(?:\\.(?:0|[1-9][0-9]{0,8})){0,3}",
        maxChars: 2000, allowed: "versions like 17.4")
    static let time = TextPattern(
        pattern: "([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z",
        maxChars: 2000, allowed: "RFC 3339 times in UTC, as in 2026-11-24T15:45:00Z")
    static let wantedLanguage = TextPattern(
        pattern: "([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?(?:-.*)?",
        maxChars: 2000, allowed: "tags like zh-cn, in lower case")
}

/// The words that are allowed.
public enum Lists {
    public static let backends: [String] = ["", "coreml", "vulkan", "xnnpack"]
    public static let fittedOn: [String] = ["artifact", "reference"]
    public static let networks: [String] = ["unmetered", "metered"]
    public static let networksOfConditions: [String] = ["any", "unmetered"]
    public static let outputs: [String] = ["probabilities", "known_score"]
    public static let platforms: [String] = ["android", "ios", "web", "python"]
    public static let precisions: [String] = ["fp32", "fp16", "int8", "dynamic-int8", "int8-weights", "palette8", "palette6"]
    public static let pulledRoles: [String] = ["labels", "names", "golden", "licence"]
    public static let resamplers: [String] = ["bilinear", "bicubic", "lanczos"]
    public static let roles: [String] = ["artifact", "golden", "report", "licence", "labels", "names", "cloud-artifact", "cloud-golden", "cloud-report", "cloud-licence"]
    public static let runtimes: [String] = ["executorch", "litert", "coreml"]
    public static let scores: [String] = ["known_score", "max_probability", "gen"]
}

/// The folder in which the files of each role lie.
public let folders: [String: String] = [
    "artifact": "artifacts/",
    "cloud-artifact": "cloud/artifacts/",
    "cloud-golden": "cloud/golden/",
    "cloud-licence": "cloud/licences/",
    "cloud-report": "cloud/reports/",
    "golden": "golden/",
    "labels": "",
    "licence": "licences/",
    "names": "names/",
    "report": "reports/",
]

/// The runtimes of each platform, the default first.
public let runtimesOf: [String: [String]] = [
    "android": ["litert", "executorch"],
    "ios": ["coreml", "litert", "executorch"],
    "python": ["litert"],
    "web": ["litert"],
]

/// The kinds of artifacts, of each runtime the most faithful first.
public let variants: [Variant] = [
    Variant(runtime: "executorch", precision: "fp32", backend: "xnnpack", executedHere: true),
    Variant(runtime: "executorch", precision: "int8", backend: "xnnpack", executedHere: true),
    Variant(runtime: "executorch", precision: "fp16", backend: "coreml", executedHere: false),
    Variant(runtime: "executorch", precision: "fp16", backend: "vulkan", executedHere: false),
    Variant(runtime: "litert", precision: "fp32", backend: "", executedHere: true),
    Variant(runtime: "litert", precision: "fp16", backend: "", executedHere: true),
    Variant(runtime: "litert", precision: "dynamic-int8", backend: "", executedHere: true),
    Variant(runtime: "litert", precision: "int8", backend: "", executedHere: true),
    Variant(runtime: "coreml", precision: "fp16", backend: "", executedHere: true),
    Variant(runtime: "coreml", precision: "int8-weights", backend: "", executedHere: true),
    Variant(runtime: "coreml", precision: "palette8", backend: "", executedHere: true),
    Variant(runtime: "coreml", precision: "palette6", backend: "", executedHere: true),
]

/// The action of an answer.
public enum Action: String, CaseIterable, Sendable {
    /// Run what the app was shipped with.
    case goBack = "go-back"
    /// Run on as you are.
    case none = "none"
    /// Download the version and switch to it.
    case take = "take"
}

/// The code of an answer.
public enum Code: String, CaseIterable, Sendable {
    /// None: the version's conditions do not hold for this device.
    case conditions = "conditions"
    /// None: the version is offered to nobody any more who does not run it.
    case deprecated = "deprecated"
    /// Take: it runs nothing of this model that was published.
    case first = "first"
    /// None or go-back: the version was halted.
    case halted = "halted"
    /// None: a version is on its way, but paused, or held until enough devices reported.
    case held = "held"
    /// None: the version may only be downloaded over an unmetered network.
    case network = "network"
    /// Take: a newer version.
    case newVersion = "new-version"
    /// None: there is no such channel.
    case noChannel = "no-channel"
    /// None: less than twice the download is free.
    case noSpace = "no-space"
    /// None: a version is on its way, but not to this device.
    case notInRollout = "not-in-rollout"
    /// No answer to a check: the version is not one of the channel's.
    case notOffered = "not-offered"
    /// None: the version has no file that this app can run.
    case nothingFits = "nothing-fits"
    /// Take: what it runs has other content than was published.
    case otherContent = "other-content"
    /// None or go-back: the version failed on this device.
    case refusedHere = "refused-here"
    /// Take: what it runs is no longer offered to it, an older version is.
    case rolledBack = "rolled-back"
    /// None: it runs what it should.
    case upToDate = "up-to-date"
    /// Go-back: what it runs is no longer offered to it, nor can it take another.
    case withdrawn = "withdrawn"
}

/// The verdict of an answer.
public enum Verdict: String, CaseIterable, Sendable {
    /// Only the coarse class does.
    case coarse = "coarse"
    /// The label stands.
    case sure = "sure"
    /// None of the labels.
    case unknown = "unknown"
    /// Ask a better network, or a person.
    case unsure = "unsure"
}

/// One model file for one runtime.
public struct Artifact: Equatable, Sendable {
    public let path: String
    public let sha256: String
    public let sizeBytes: Int
    /// "executorch", "litert" or "coreml".
    public let runtime: String
    /// As in "fp32".
    public let precision: String
    /// The delegate of an ExecuTorch program; empty for other runtimes.
    public let backend: String
    /// Those it is for.
    public let platforms: [String]
    /// Name, layout, dtype, shape and range of what it takes.
    public let input: JsonValue
    /// Name, dtype and shape of what it gives, in the file's order: probabilities, then the known score.
    public let outputs: [JsonValue]
    /// What made it.
    public let toolVersions: [String: String]
    public let hasParity: Bool
    /// Temperature and thresholds for its answers; nil like the above.
    public let confidence: Confidence?
    /// A person named it on the command line although it was refused.
    public let acceptedByHand: Bool
    /// Why it was refused, in words; empty unless accepted by hand.
    public let objections: [String]
}

func readArtifact(_ node: Node) throws -> Artifact {
    let keys = try node.table(["path", "sha256", "size_bytes", "runtime", "precision", "backend", "platforms", "input", "outputs", "tool_versions", "parity", "confidence", "accepted_by_hand", "objections", "requires"])
    return Artifact(
        path: try keys["path"]!.text(2000),
        sha256: try keys["sha256"]!.matching(Patterns.sha256),
        sizeBytes: try keys["size_bytes"]!.whole(0, 1073741824),
        runtime: try keys["runtime"]!.oneOf(Lists.runtimes),
        precision: try keys["precision"]!.oneOf(Lists.precisions),
        backend: try keys["backend"]!.oneOf(Lists.backends),
        platforms: try keys["platforms"]!.items(1, 4).map { item in try item.oneOf(Lists.platforms) },
        input: keys["input"]!.value,
        outputs: try keys["outputs"]!.items(2, 2).map { item in item.value },
        toolVersions: try keys["tool_versions"]!.entries(100000).mapValues { item in try item.text(2000) },
        hasParity: !keys["parity"]!.isNull,
        confidence: try keys["confidence"]!.orNil { item in try readConfidence(item) },
        acceptedByHand: try keys["accepted_by_hand"]!.flag(),
        objections: try keys["objections"]!.items(0, 50).map { item in try item.text(2000) }
    )
}

/// What the devices that follow a channel run.
public struct Channel: Equatable, Sendable {
    /// The version for all that no rollout includes.
    public let current: String
    /// A person fixed it: publishing and rollouts leave it alone until it is unpinned.
    public let pinned: Bool
    /// A newer version for some of them; nil where none is on its way.
    public let rollout: Rollout?
}

func readChannel(_ node: Node) throws -> Channel {
    let keys = try node.table(["current", "pinned", "rollout"])
    return Channel(
        current: try keys["current"]!.matching(Patterns.modelVersion),
        pinned: try keys["pinned"]!.flag(),
        rollout: try keys["rollout"]!.orNil { item in try readRollout(item) }
    )
}

/// What a device must be like to be offered a version.
public struct Conditions: Equatable, Sendable {
    /// For some platforms the oldest version of the operating system.
    public let minOs: [String: String]?
    /// Which versions of the app, as in ">=1.2.0 <3.0.0".
    public let appVersion: VersionRange?
    /// How much memory.
    public let minMemoryBytes: Int?
    /// "unmetered" to be downloaded over Wi-Fi only, or "any".
    public let network: String?
}

func readConditions(_ node: Node) throws -> Conditions {
    let keys = try node.table([], ["min_os", "app_version", "min_memory_bytes", "network"])
    return Conditions(
        minOs: try keys["min_os"].map { item in try item.entries(100000, Lists.platforms).mapValues { item in try item.matching(Patterns.systemVersion) } },
        appVersion: try keys["app_version"].map { item in try readRange(item) },
        minMemoryBytes: try keys["min_memory_bytes"].map { item in try item.whole(1, 1125899906842624) },
        network: try keys["network"].map { item in try item.oneOf(Lists.networksOfConditions) }
    )
}

/// The temperature and the thresholds of one artifact.
public struct Confidence: Equatable, Sendable {
    /// "artifact" where they were fitted on its own answers; "reference" where nothing here runs it, and those of the trained network stand in.
    public let fittedOn: String
    public let temperature: Double
    public let sure: Threshold
    public let coarse: Threshold?
    public let known: Known
}

func readConfidence(_ node: Node) throws -> Confidence {
    let keys = try node.table(["fitted_on", "temperature", "sure", "coarse", "known"])
    return Confidence(
        fittedOn: try keys["fitted_on"]!.oneOf(Lists.fittedOn),
        temperature: try keys["temperature"]!.number(0.05, 20.0),
        sure: try readThreshold(keys["sure"]!),
        coarse: try keys["coarse"]!.orNil { item in try readThreshold(item) },
        known: try readKnown(keys["known"]!)
    )
}

/// One file of a bundle.
public struct File: Equatable, Sendable {
    /// Where it lies in the bundle, with forward slashes.
    public let path: String
    /// One of `FOLDERS`.
    public let role: String
    /// Of its bytes, 64 hexadecimal digits.
    public let sha256: String
    /// Its length.
    public let sizeBytes: Int
}

func readFile(_ node: Node) throws -> File {
    let keys = try node.table(["path", "role", "sha256", "size_bytes"])
    return File(
        path: try keys["path"]!.text(2000),
        role: try keys["role"]!.oneOf(Lists.roles),
        sha256: try keys["sha256"]!.matching(Patterns.sha256),
        sizeBytes: try keys["size_bytes"]!.whole(0, 1073741824)
    )
}

/// A photo with the answers expected of each artifact.
public struct Golden: Equatable, Sendable {
    /// Path of the photo in the bundle.
    public let file: String
    /// Its true label.
    public let label: String
    /// For each artifact (by path) the probability of every label, in label order.
    public let answers: [String: [Double]]
    /// For each artifact (by path) its known score.
    public let knownScores: [String: Double]
}

func readGolden(_ node: Node) throws -> Golden {
    let keys = try node.table(["file", "label", "answers", "known_scores"])
    return Golden(
        file: try keys["file"]!.text(2000),
        label: try keys["label"]!.text(2000),
        answers: try keys["answers"]!.entries(100000).mapValues { item in try item.items(0, 100000).map { item in try item.number(0.0, 1.0) } },
        knownScores: try keys["known_scores"]!.entries(100000).mapValues { item in try item.number(-1e+30, 1e+30) }
    )
}

/// The coarse class of each label.
public struct Hierarchy: Equatable, Sendable {
    /// Names of the coarse classes.
    public let coarse: [String]
    /// For each label, in order, the index of its coarse class.
    public let parents: [Int]
}

func readHierarchy(_ node: Node) throws -> Hierarchy {
    let keys = try node.table(["coarse", "parents"])
    return Hierarchy(
        coarse: try keys["coarse"]!.items(2, 100000).map { item in try item.text(2000) },
        parents: try keys["parents"]!.items(2, 100000).map { item in try item.int(0, 100000) }
    )
}

/// From which score on a photo shows a known thing.
public struct Known: Equatable, Sendable {
    /// One of `SCORES`.
    public let score: String
    /// Below it is "not a known thing"; nil where that is never said.
    public let minScore: Double?
}

func readKnown(_ node: Node) throws -> Known {
    let keys = try node.table(["score", "min_score", "target_precision", "cross_fitted", "kept", "rejected", "named", "precision", "precision_interval_95"])
    return Known(
        score: try keys["score"]!.oneOf(Lists.scores),
        minScore: try keys["min_score"]!.orNil { item in try item.number(-1000000000000.0, 1.0) }
    )
}

/// Everything about a bundle.
public struct Manifest: Equatable, Sendable {
    /// Name of the model.
    public let model: String
    /// Semantic version; never changes its content.
    public let version: String
    /// As in "ghostnet_100".
    public let architecture: String
    /// Names the training result that the artifacts were made from.
    public let checkpointSha256: String
    /// Class names in the order of the outputs.
    public let labels: [String]
    /// From a photo to the input's pixels.
    public let preprocess: Preprocess
    /// The coarse class of each label, for devices and the cloud alike; nil where there are none.
    public let hierarchy: Hierarchy?
    /// Where the photos came from.
    public let photosSource: String
    /// Under which terms.
    public let photosLicence: String
    /// The model files.
    public let artifacts: [Artifact]
    /// Photos with expected answers.
    public let golden: [Golden]
    /// Labels, names, golden photos, reports and licences.
    public let otherFiles: [File]
    public let hasCloud: Bool
}

func readManifest(_ node: Node) throws -> Manifest {
    let keys = try node.table(["schema", "model", "version", "architecture", "checkpoint_sha256", "labels", "preprocess", "hierarchy", "metrics", "photos_source", "photos_licence", "artifacts", "golden", "other_files", "cloud", "comparison"])
    return Manifest(
        model: try keys["model"]!.matching(Patterns.modelName),
        version: try keys["version"]!.matching(Patterns.modelVersion),
        architecture: try keys["architecture"]!.matching(Patterns.name),
        checkpointSha256: try keys["checkpoint_sha256"]!.matching(Patterns.sha256),
        labels: try keys["labels"]!.items(2, 100000).map { item in try item.text(2000) },
        preprocess: try readPreprocess(keys["preprocess"]!),
        hierarchy: try keys["hierarchy"]!.orNil { item in try readHierarchy(item) },
        photosSource: try keys["photos_source"]!.text(2000),
        photosLicence: try keys["photos_licence"]!.text(100000),
        artifacts: try keys["artifacts"]!.items(1, 50).map { item in try readArtifact(item) },
        golden: try keys["golden"]!.items(0, 1000).map { item in try readGolden(item) },
        otherFiles: try keys["other_files"]!.items(0, 1000).map { item in try readFile(item) },
        hasCloud: !keys["cloud"]!.isNull
    )
}

/// From a decoded photo to model input.
public struct Preprocess: Equatable, Sendable {
    /// Side of the square that the model takes, in pixels, 32 to 1024.
    public let inputPx: Int
    /// Length of the photo's shorter side before the centre crop, at least `input_px`.
    public let resizePx: Int
    /// "bilinear", "bicubic" or "lanczos", each with Pillow's antialiasing: the filter's support grows with the factor of reduction.
    public let resampler: String
    public let steps: [String]
}

func readPreprocess(_ node: Node) throws -> Preprocess {
    let keys = try node.table(["input_px", "resize_px", "resampler", "steps"])
    return Preprocess(
        inputPx: try keys["input_px"]!.int(32, 1024),
        resizePx: try keys["resize_px"]!.int(32, 2048),
        resampler: try keys["resampler"]!.oneOf(Lists.resamplers),
        steps: try keys["steps"]!.items(0, 100).map { item in try item.text(2000) }
    )
}

/// A version that was published; it is never removed, and its content never changes.
public struct PublishedVersion: Equatable, Sendable {
    /// A semantic version.
    public let version: String
    /// When, RFC 3339 in UTC to the second.
    public let publishedAt: String
    /// What a device must be like to be offered it; nil for any.
    public let conditions: Conditions?
    /// Why it is offered to nobody any more who does not run it; nil where it is.
    public let deprecated: String?
}

func readPublishedVersion(_ node: Node) throws -> PublishedVersion {
    let keys = try node.table(["version", "published_at", "conditions", "deprecated"])
    return PublishedVersion(
        version: try keys["version"]!.matching(Patterns.modelVersion),
        publishedAt: try readTime(keys["published_at"]!),
        conditions: try keys["conditions"]!.orNil { item in try readConditions(item) },
        deprecated: try keys["deprecated"]!.orNil { item in try item.text(2000) }
    )
}

/// What is published of one model, and the policy of who is offered which version.
public struct Release: Equatable, Sendable {
    /// Its name.
    public let model: String
    /// All that are published, in the order of publishing.
    public let versions: [PublishedVersion]
    /// By name; `stable` is always among them.
    public let channels: [String: Channel]
}

func readRelease(_ node: Node) throws -> Release {
    let keys = try node.table(["schema", "model", "versions", "channels"])
    return Release(
        model: try keys["model"]!.matching(Patterns.modelName),
        versions: try keys["versions"]!.items(1, 10000).map { item in try readPublishedVersion(item) },
        channels: try keys["channels"]!.entries(100).mapValues { item in try readChannel(item) }
    )
}

/// A version on its way to a share of the devices of a channel.
public struct Rollout: Equatable, Sendable {
    /// The one that those devices are offered.
    public let version: String
    /// How many of 10,000 devices.
    public let shareBp: Int
    /// Decides which; 32 hexadecimal digits, new for each rollout.
    public let salt: String
    /// When, RFC 3339 in UTC to the second.
    public let startedAt: String
}

func readRollout(_ node: Node) throws -> Rollout {
    let keys = try node.table(["version", "share_bp", "salt", "started_at"])
    return Rollout(
        version: try keys["version"]!.matching(Patterns.modelVersion),
        shareBp: try keys["share_bp"]!.int(0, 10000),
        salt: try keys["salt"]!.matching(Patterns.salt),
        startedAt: try readTime(keys["started_at"]!)
    )
}

/// From which probability on an answer stands.
public struct Threshold: Equatable, Sendable {
    /// Calibrated, over 0 to 1; nil where no value reaches the target on enough photos: then no answer stands.
    public let minProbability: Double?
}

func readThreshold(_ node: Node) throws -> Threshold {
    let keys = try node.table(["min_probability", "target_precision", "cross_fitted", "precision", "precision_interval_95", "coverage", "coverage_interval_95", "photos"])
    return Threshold(
        minProbability: try keys["min_probability"]!.orNil { item in try item.number(0.0, 1.0) }
    )
}
