import Foundation

extension Manifest {
    /// Languages that the version has names in, as BCP 47 tags; labels stand beside them.
    public var languages: [String] {
        otherFiles.filter { $0.role == "names" }
            .map { String($0.path.dropFirst(namesFolder.count).dropLast(".json".count)) }
            .sorted()
    }
}

/// Returns where a language's names lie.
public func namesPath(_ language: String) -> String { "\(namesFolder)\(language).json" }

/// Reads the names of a language, by label or coarse class; what has no name is not there: show the
/// label. The message of an error names the path of the bad key.
public func parseNames(_ data: Data) throws -> [String: String] {
    let value = try parseJson(data, "names", maxBytes: Constants.maxNamesBytes)
    let root = Node(value: value, path: "", document: "names")
    return try root.entries(Int.max).mapValues { node in
        let name = try node.text(Constants.maxLabelChars)
        if !isPlain(name) { throw node.fail("\(name) is not allowed") }
        return name
    }
}

/// Returns the language that fits a wanted one best, or nil where none does.
///
/// The language must be the same, and the script, where both name one; then the same region is
/// better than none, and none better than another. Chinese without a script is in Hant for TW, HK
/// and MO, and in Hans elsewhere.
///
/// - Parameters:
///   - languages: those that there are, as `Manifest.languages`.
///   - wanted: any BCP 47 tag, as `Locale.preferredLanguages` gives them.
public func chooseLanguage(_ languages: [String], wanted: String) -> String? {
    guard let asked = split(wanted) else { return nil }
    var best: String?
    var bestRank = 0
    for language in languages {
        let found = rank(split(language), asked)
        if found > bestRank { (best, bestRank) = (language, found) }
    }
    return best
}

private let namesFolder = folders["names"] ?? ""
private let traditional = ["tw", "hk", "mo"]

/// Returns language, script and region in lower case; the latter are empty where not named.
private func split(_ tag: String) -> [String]? {
    guard let groups = Patterns.wantedLanguage.match(tag.lowercased()) else { return nil }
    let parts = groups.dropFirst().map { $0 ?? "" }
    let implied = traditional.contains(parts[2]) ? "hant" : "hans"
    let isImplied = parts[0] == "zh" && parts[1].isEmpty
    return [parts[0], isImplied ? implied : parts[1], parts[2]]
}

/// Returns 0 where a language does not fit, and more the better it does.
private func rank(_ found: [String]?, _ asked: [String]) -> Int {
    guard let found = found, found[0] == asked[0] else { return 0 }
    let isSameScript = found[1] == asked[1]
    if !isSameScript && !found[1].isEmpty && !asked[1].isEmpty { return 0 }
    let region = found[2] == asked[2] ? 2 : 0
    return 1 + (isSameScript ? 4 : 0) + region + (found[2].isEmpty ? 1 : 0)
}
