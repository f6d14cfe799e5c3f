/// Where a semantic version stands (Semantic Versioning 2.0.0, section 11); numbers of any length.
private struct VersionKey {
    let core: [String]
    let prerelease: [String]

    init(_ version: String) throws {
        guard let groups = Patterns.semanticVersion.match(version) else {
            throw GhostlensError.version(
                "the version \(version): allowed are semantic versions, as in 1.2.0-beta.1")
        }
        core = groups[1...3].map { $0 ?? "" }
        prerelease = (groups[4] ?? "").split(separator: ".").map(String.init)
    }

    func order(_ other: VersionKey) -> Int {
        for (left, right) in zip(core, other.core) {
            let order = orderNumbers(left, right)
            if order != 0 { return order }
        }
        if prerelease.isEmpty || other.prerelease.isEmpty {
            return (prerelease.isEmpty ? 1 : 0) - (other.prerelease.isEmpty ? 1 : 0)
        }
        for (left, right) in zip(prerelease, other.prerelease) {
            let order = orderIdentifiers(left, right)
            if order != 0 { return order }
        }
        return sign(prerelease.count - other.prerelease.count)
    }
}

private func sign(_ number: Int) -> Int { number.signum() }

/// By code unit: both are ASCII, which Swift's own order of texts need not follow.
private func orderTexts(_ left: String, _ right: String) -> Int {
    if left == right { return 0 }
    return left.utf8.lexicographicallyPrecedes(right.utf8) ? -1 : 1
}

/// Neither has leading zeros, so that the longer one is the larger.
private func orderNumbers(_ left: String, _ right: String) -> Int {
    let byLength = sign(left.utf8.count - right.utf8.count)
    return byLength != 0 ? byLength : orderTexts(left, right)
}

/// Numbers come before names.
private func orderIdentifiers(_ left: String, _ right: String) -> Int {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let isLeft = left.utf8.allSatisfy { digits.contains($0) }
    let isRight = right.utf8.allSatisfy { digits.contains($0) }
    if isLeft && isRight { return orderNumbers(left, right) }
    if isLeft != isRight { return isLeft ? -1 : 1 }
    return orderTexts(left, right)
}

/// Returns -1, 0 or 1: whether the left version comes before, with, or after.
public func compareVersions(_ left: String, _ right: String) throws -> Int {
    try VersionKey(left).order(VersionKey(right))
}

/// Which versions are meant, as in ">=1.2.0 <3.0.0": one to eight bounds, all of which must hold.
public struct VersionRange: Equatable, Sendable {
    public let text: String

    public init(_ text: String) throws {
        self.text = text
        _ = try bounds()
    }

    /// Returns whether a version is meant.
    public func contains(_ version: String) throws -> Bool {
        let key = try VersionKey(version)
        return try bounds().allSatisfy { word, bound in
            let order = key.order(bound)
            switch word {
            case ">=": return order >= 0
            case ">": return order > 0
            case "<=": return order <= 0
            case "<": return order < 0
            default: return order == 0
            }
        }
    }

    private func bounds() throws -> [(String, VersionKey)] {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        let matches = parts.compactMap { Patterns.bound.match($0) }
        guard text.utf8.count <= Constants.maxRangeChars, matches.count == parts.count,
            matches.count <= Constants.maxBounds
        else {
            throw GhostlensError.version(
                "the range \(text): allowed are 1 to \(Constants.maxBounds) bounds, "
                    + "as in >=1.2.0 <3.0.0")
        }
        return try matches.map { ($0[1] ?? "", try VersionKey($0[2] ?? "")) }
    }
}

func readRange(_ node: Node) throws -> VersionRange {
    let text = try node.text(Constants.maxRangeChars)
    do {
        return try VersionRange(text)
    } catch GhostlensError.version(let why) {
        throw node.fail(why)
    }
}

/// Compares versions of operating systems; "16" is "16.0.0".
public func compareSystems(_ left: String, _ right: String) throws -> Int {
    let (first, second) = (try systemKey(left), try systemKey(right))
    for (one, other) in zip(first, second) where one != other { return one < other ? -1 : 1 }
    return 0
}

private func systemKey(_ version: String) throws -> [Int] {
    guard Patterns.systemVersion.match(version) != nil else {
        throw GhostlensError.version(
            "the system's version \(version): allowed are \(Patterns.systemVersion.allowed)")
    }
    let numbers = version.split(separator: ".").map { Int($0) ?? 0 }
    return numbers + Array(repeating: 0, count: 4 - numbers.count)
}

/// Returns whether a `.pte` file runs on a version of ExecuTorch's runtime: the minor version that
/// made it, and the next one.
public func runsOnExecutorch(_ madeWith: String, _ linked: String) -> Bool {
    guard let file = Patterns.runtimeVersion.match(madeWith),
        let app = Patterns.runtimeVersion.match(linked), file[1] == app[1],
        let made = Int(file[2] ?? ""), let links = Int(app[2] ?? "")
    else { return false }
    return (0...1).contains(links - made)
}
