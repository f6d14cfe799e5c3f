// Runs the shared test vectors: `swift run GhostlensVectors ../vectors.json`.
import Foundation

@testable import Ghostlens

var passed = 0
var failed = 0

func check(_ about: String, _ isRight: @autoclosure () throws -> Bool) {
    let isFit = (try? isRight()) ?? false
    passed += isFit ? 1 : 0
    failed += isFit ? 0 : 1
    if !isFit { print("FAILED \(about)") }
}

func refuses(_ about: String, _ run: () throws -> Void) {
    do {
        try run()
        check("\(about): nothing was refused", false)
    } catch {
        check("\(about): \(error)", error is GhostlensError)
    }
}

extension JsonValue {
    subscript(_ key: String) -> JsonValue { members[key] ?? .null }

    var members: [String: JsonValue] {
        if case .object(let members) = self { return members }
        return [:]
    }

    var items: [JsonValue] {
        if case .list(let items) = self { return items }
        return []
    }

    var asText: String? {
        if case .text(let text) = self { return text }
        return nil
    }

    var word: String { asText ?? "" }

    var texts: [String] { items.compactMap { $0.asText } }

    var asNumber: Double? {
        if case .number(let number, _) = self { return number }
        return nil
    }

    var whole: Int? {
        if case .number(_, let whole) = self { return whole }
        return nil
    }

    var int: Int { whole ?? 0 }

    var asFlag: Bool { self == .flag(true) }
}

func runBucketing(_ root: JsonValue) {
    for item in root["bucketing"].items {
        let (salt, id) = (item["salt"].word, item["device_id"].asText)
        if let bucket = item["bucket"].whole {
            check("bucket of \(id ?? "")", Int(findBucket(salt: salt, deviceId: id ?? "")) == bucket)
        }
        for (share, included) in item["included"].members {
            let found = isIncluded(salt: salt, deviceId: id, shareBp: Int(share) ?? -1)
            check("\(id ?? "") in \(share)", found == included.asFlag)
        }
    }
}

func runVersions(_ root: JsonValue) {
    let ascending = root["version_order"]["ascending"].texts
    for (i, left) in ascending.enumerated() {
        for (j, right) in ascending.enumerated() {
            check("\(left), \(right)", try compareVersions(left, right) == (i - j).signum())
        }
    }
    for pair in root["version_order"]["same"].items {
        check("\(pair.texts)", try compareVersions(pair.texts[0], pair.texts[1]) == 0)
    }
    for text in root["version_order"]["malformed"].texts {
        refuses("version \(text)") { _ = try compareVersions(text, "1.0.0") }
    }
    for item in root["ranges"]["cases"].items {
        let (range, version) = (item["range"].word, item["version"].word)
        let expected = item["contains"].asFlag
        check("\(version) in \(range)", try VersionRange(range).contains(version) == expected)
    }
    for text in root["ranges"]["malformed"].texts {
        refuses("range \(text)") { _ = try VersionRange(text) }
    }
    for item in root["systems"]["cases"].items {
        let (left, right) = (item["left"].word, item["right"].word)
        check("\(left), \(right)", try compareSystems(left, right) == item["order"].int)
    }
    for text in root["systems"]["malformed"].texts {
        refuses("system \(text)") { _ = try compareSystems(text, "1") }
    }
    for item in root["executorch"].items {
        let (made, linked) = (item["made_with"].word, item["linked"].word)
        check("\(made) on \(linked)", runsOnExecutorch(made, linked) == item["runs"].asFlag)
    }
}

func toOffer(_ value: JsonValue) -> Offer {
    let artifacts = value["artifacts"].items.map {
        OfferedArtifact(
            path: $0["path"].word, runtime: $0["runtime"].word, precision: $0["precision"].word,
            backend: $0["backend"].word, platforms: $0["platforms"].texts,
            madeWith: $0["made_with"].word, sha256: $0["sha256"].word,
            sizeBytes: $0["size_bytes"].int)
    }
    return Offer(
        manifestSha256: value["manifest_sha256"].word, artifacts: artifacts,
        otherBytes: value["other_bytes"].int)
}

func toDevice(_ value: JsonValue) -> Device {
    var device = Device(platform: value["platform"].word)
    device.osVersion = value["os_version"].asText
    device.appVersion = value["app_version"].asText
    device.deviceId = value["device_id"].asText
    device.channel = value["channel"].asText ?? Constants.stable
    device.runtimes = value["runtimes"].items.map {
        RuntimeOfApp($0["name"].word, version: $0["version"].asText)
    }
    device.precision = value["precision"].asText
    device.memoryBytes = value["memory_bytes"].whole
    device.freeBytes = value["free_bytes"].whole
    device.network = value["network"].asText
    if let version = value["current"]["version"].asText {
        let sha256 = value["current"]["manifest_sha256"].asText
        device.running = Running(version, manifestSha256: sha256)
    }
    device.have = Set(value["have"].texts)
    device.refused = Set(value["refused"].texts)
    return device
}

func runDecisions(_ root: JsonValue) throws {
    let section = root["decisions"]
    let releases = try section["releases"].members.mapValues {
        try checkRelease(Node(value: $0, path: "", document: "release.json"))
    }
    let offers = section["offers"].members.mapValues { toOffer($0) }
    for item in section["cases"].items {
        guard let release = releases[item["release"].word] else { continue }
        let held = item["restraint"]
        let restraint = Restraint(
            halted: Set(held["halted"].texts), shareBp: held["share_bp"].int)
        let found = try decide(release, toDevice(item["device"]), offers, restraint)
        let expected = item["decision"]
        check(
            "\(item["release"].word): \(item["about"].word)",
            found.action.rawValue == expected["action"].asText
                && found.code.rawValue == expected["code"].asText
                && found.version == expected["version"].asText
                && found.artifact == expected["artifact"].asText)
    }
}

func toPixels(_ value: JsonValue) throws -> Pixels {
    let rgb = Data(base64Encoded: value["rgb"].word).map { Array($0) } ?? []
    return try Pixels(width: value["width"].int, height: value["height"].int, rgb: rgb)
}

func toPreprocess(_ value: JsonValue) -> Preprocess {
    Preprocess(
        inputPx: value["input_px"].int, resizePx: value["resize_px"].int,
        resampler: value["resampler"].asText ?? "bilinear", steps: [])
}

func runPreprocess(_ root: JsonValue) throws {
    let section = root["preprocess"]
    for item in section["geometry"].items {
        let size = item["size"].items.map { $0.int }
        let found = toPreprocess(item).geometry(width: size[0], height: size[1])
        let expected = (item["resized"].items + item["corner"].items).map { $0.int }
        check("\(size)", [found.width, found.height, found.left, found.top] == expected)
    }
    let photo = try toPixels(section["turns"]["photo"])
    for (tag, expected) in section["turns"]["turned"].members {
        check("turn \(tag)", try turn(photo, orientation: Int(tag) ?? 0) == toPixels(expected))
    }
    for item in section["pixels"].items {
        let found = try toPreprocess(item).apply(toPixels(item["photo"])).rgb
        let expected = Data(base64Encoded: item["expected"].word).map { Array($0) } ?? []
        let worst = zip(found, expected).map { abs(Int($0) - Int($1)) }.max() ?? 255
        let isClose = worst <= section["tolerance_levels"].int
        check("\(item["resampler"].word)", found.count == expected.count && isClose)
    }
    refuses("too few bytes") {
        _ = try Pixels(width: 2, height: 2, rgb: [UInt8](repeating: 0, count: 11))
    }
}

func isClose(_ found: Double?, _ expected: Double?, _ tolerance: Double) -> Bool {
    guard let one = found, let other = expected else { return found == nil && expected == nil }
    return abs(one - other) <= tolerance
}

func runVerdicts(_ root: JsonValue) throws {
    let section = root["verdicts"]
    let node = Node(value: section["hierarchy"], path: "hierarchy", document: "vectors")
    let hierarchy = try readHierarchy(node)
    let tolerance = section["tolerance"].asNumber ?? 0
    for item in section["cases"].items {
        let given = item["limits"]
        let limits = Limits(
            temperature: given["temperature"].asNumber ?? 1, score: given["score"].word,
            minScore: given["min_score"].asNumber, sure: given["sure"].asNumber,
            coarse: given["coarse"].asNumber)
        let found = try judge(
            probabilities: item["probabilities"].items.compactMap { $0.asNumber },
            knownScore: item["known_score"].asNumber ?? .nan, limits: limits,
            hierarchy: item["has_coarse"].asFlag ? hierarchy : nil)
        check(
            item["about"].word,
            found.verdict.rawValue == item["verdict"].asText && found.index == item["index"].int
                && found.coarseIndex == item["coarse_index"].whole
                && isClose(found.probability, item["probability"].asNumber, tolerance)
                && isClose(found.coarseProbability, item["coarse_probability"].asNumber, tolerance))
    }
    for item in section["refused"].items {
        let limits = Limits(
            temperature: 1, score: "known_score", minScore: nil, sure: nil, coarse: nil)
        refuses(item["about"].word) {
            _ = try judge(
                probabilities: item["probabilities"].items.map { $0.asNumber ?? .nan },
                knownScore: item["known_score"].asNumber ?? .nan, limits: limits, hierarchy: nil)
        }
    }
}

/// Returns a value with another one at a path, or nil where that is to be removed.
func edited(_ value: JsonValue, _ path: [JsonValue], _ other: JsonValue?) -> JsonValue? {
    guard let first = path.first else { return other }
    let rest = Array(path.dropFirst())
    if case .list(let items) = value {
        let changed = items.enumerated().compactMap { index, item in
            index == first.whole ? edited(item, rest, other) : item
        }
        return .list(changed)
    }
    var members = value.members
    let key = first.asText ?? ""
    members[key] = edited(members[key] ?? .null, rest, other)
    return .object(members)
}

func readDocument(_ kind: String, _ value: JsonValue) throws {
    let node = Node(value: value, path: "", document: kind)
    if kind.hasPrefix("manifest") { _ = try checkManifest(node) } else { _ = try checkRelease(node) }
}

func runDocuments(_ root: JsonValue) {
    let section = root["documents"]
    for (kind, whole) in section["valid"].members {
        check(kind, try { try readDocument(kind, whole); return true }())
    }
    for item in section["refused"].items {
        let kind = item["document"].word
        let spoilt = edited(section["valid"][kind], item["path"].items, item.members["value"])
        refuses("\(kind) with \(item)") { try readDocument(kind, spoilt ?? .null) }
    }
    for text in section["not_json"].texts {
        refuses("text \(text)") {
            _ = try parseJson(Data(text.utf8), "text", maxBytes: 1 << 20)
        }
    }
}

func runNames(_ root: JsonValue) throws {
    for item in root["languages"].items {
        let found = chooseLanguage(item["there"].texts, wanted: item["wanted"].word)
        check("\(item["wanted"].word) of \(item["there"].texts)", found == item["chosen"].asText)
    }
    let valid = root["names"]["valid"].members.compactMapValues { $0.asText }
    let members = valid.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
    check("names", try parseNames(Data("{\(members)}".utf8)) == valid)
    for text in root["names"]["refused"].texts {
        refuses("names \(text)") { _ = try parseNames(Data(text.utf8)) }
    }
    for (kind, expected) in [("manifest", ["zh-Hans"]), ("manifest without names", [])] {
        let node = Node(value: root["documents"]["valid"][kind], path: "", document: kind)
        check("languages of \(kind)", try checkManifest(node).languages == expected)
    }
}

let data = try Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[1]))
let root = try parseJson(data, "vectors.json", maxBytes: 64 << 20)
check("schema", root["schema"].asText == "ghostlens.vectors/1")
check("SHA-256", sha256Hex(Data("abc".utf8)).hasPrefix("ba7816bf8f01cfea414140de5dae2223"))
runBucketing(root)
runVersions(root)
try runDecisions(root)
try runPreprocess(root)
try runVerdicts(root)
runDocuments(root)
try runNames(root)
print("\(passed) passed, \(failed) failed")
exit(failed == 0 ? 0 : 1)
