import Foundation

/// A kind of artifact.
public struct Variant: Equatable, Sendable {
    public let runtime: String
    public let precision: String
    public let backend: String
    public let executedHere: Bool
}

/// Returns the place of a kind of artifact in `variants`; nil where there is no such kind.
func rankOf(_ runtime: String, _ precision: String, _ backend: String) -> Int? {
    variants.firstIndex {
        $0.runtime == runtime && $0.precision == precision && $0.backend == backend
    }
}

/// Reads a manifest; the message of an error names the path of the bad key.
public func parseManifest(_ data: Data) throws -> Manifest {
    let value = try parseJson(data, "manifest", maxBytes: Constants.maxManifestBytes)
    return try checkManifest(Node(value: value, path: "", document: "manifest"))
}

/// Reads a `release.json`; the message of an error names the path of the bad key.
public func parseRelease(_ data: Data) throws -> Release {
    let name = Constants.releaseName
    let value = try parseJson(data, name, maxBytes: Constants.maxReleaseBytes)
    return try checkRelease(Node(value: value, path: "", document: name))
}

/// Checks downloaded bytes against the manifest's entry.
public func checkFile(_ path: String, _ data: Data, sizeBytes: Int, sha256: String) throws {
    if data.count != sizeBytes || sha256Hex(data) != sha256 {
        throw GhostlensError.manifest("\(path) is not what the manifest names")
    }
}

extension Manifest {
    /// What a device downloads beside its artifact: no reports, nothing of the cloud.
    public var pulledFiles: [File] { otherFiles.filter { Lists.pulledRoles.contains($0.role) } }
}

func checkRelease(_ root: Node) throws -> Release {
    try checkSchema(root, Constants.releaseSchema)
    let release = try readRelease(root)
    let names = release.versions.map { $0.version }
    if Set(names).count != names.count { throw root.fail("versions repeat") }
    if release.channels[Constants.stable] == nil {
        throw root.fail("channels has no \(Constants.stable)")
    }
    for (name, channel) in release.channels {
        if Patterns.channelName.match(name) == nil {
            throw root.fail("channels.\(name): must be \(Patterns.channelName.allowed)")
        }
        let named = [channel.current] + (channel.rollout.map { [$0.version] } ?? [])
        if let stray = named.first(where: { !names.contains($0) }) {
            throw root.fail("channels.\(name) names \(stray), which is not among the versions")
        }
    }
    return release
}

func checkManifest(_ root: Node) throws -> Manifest {
    try checkSchema(root, Constants.manifestSchema, Constants.namesSchema)
    let manifest = try readManifest(root)
    try checkHasNames(root, manifest)
    try checkLabels(root, manifest.labels)
    let preprocess = manifest.preprocess
    if !(preprocess.inputPx...2 * preprocess.inputPx).contains(preprocess.resizePx) {
        throw root.fail("preprocess.resize_px: allowed are input_px to twice input_px")
    }
    if let hierarchy = manifest.hierarchy {
        try checkHierarchy(root, hierarchy, manifest.labels.count)
    }
    try checkPaths(root, manifest)
    for artifact in manifest.artifacts { try checkArtifact(root, artifact, manifest.hierarchy) }
    for golden in manifest.golden { try checkGolden(root, golden, manifest) }
    return manifest
}

/// A manifest with names has a schema of its own, as readers of the one before refuse the role.
private func checkHasNames(_ root: Node, _ manifest: Manifest) throws {
    let schema =
        manifest.languages.isEmpty ? Constants.manifestSchema : Constants.namesSchema
    if try root.entries(Int.max)["schema"]?.value != JsonValue.text(schema) {
        throw root.fail(
            "schema: \(Constants.namesSchema) is for manifests with names, and only for them")
    }
}

/// Returns whether a text may be a label or a name: not too long, no space at an end, no control
/// characters.
func isPlain(_ text: String) -> Bool {
    let refused: [Unicode.GeneralCategory] = [
        .control, .lineSeparator, .paragraphSeparator, .surrogate,
    ]
    return text == text.trimmingCharacters(in: .whitespacesAndNewlines)
        && text.unicodeScalars.count <= Constants.maxLabelChars
        && text.unicodeScalars.allSatisfy { !refused.contains($0.properties.generalCategory) }
}

private func checkLabels(_ root: Node, _ labels: [String]) throws {
    for label in labels where !isPlain(label) {
        throw root.fail("labels: \(label) is not allowed")
    }
    // Swift compares texts by canonical equivalence, as normalised ones.
    if Set(labels).count != labels.count { throw root.fail("labels repeat") }
}

private func checkHierarchy(_ root: Node, _ hierarchy: Hierarchy, _ labels: Int) throws {
    try checkLabels(root, hierarchy.coarse)
    if hierarchy.parents.count != labels {
        throw root.fail("hierarchy.parents: one is needed for each of \(labels) labels")
    }
    if Set(hierarchy.parents) != Set(hierarchy.coarse.indices) {
        throw root.fail("hierarchy.parents: each coarse class needs a label, and the reverse")
    }
}

/// A role's folder and one plain name, so that no path climbs out or is absolute.
private func checkPath(_ root: Node, _ path: String, _ role: String) throws {
    let folder = folders[role] ?? ""
    let pattern = role == "names" ? Patterns.namesFile : Patterns.fileName
    let isFit =
        role == "labels"
        ? path == Constants.labelsName
        : path.hasPrefix(folder)
            && pattern.match(String(path.dropFirst(folder.count))) != nil
    if !isFit { throw root.fail("the path \(path): allowed are \(folder) and a plain name, or a language's") }
}

private func checkPaths(_ root: Node, _ manifest: Manifest) throws {
    for artifact in manifest.artifacts { try checkPath(root, artifact.path, "artifact") }
    for golden in manifest.golden { try checkPath(root, golden.file, "golden") }
    for file in manifest.otherFiles {
        try checkPath(root, file.path, file.role)
        let isArtifact = file.role == "artifact" || file.role == "cloud-artifact"
        if isArtifact || (file.role.hasPrefix("cloud-") && !manifest.hasCloud) {
            throw root.fail("other_files: \(file.path) has the role \(file.role)")
        }
    }
    // Phones have file systems that do not tell A from a.
    let all = manifest.artifacts.map { $0.path } + manifest.otherFiles.map { $0.path }
    if Set(all.map { $0.lowercased() }).count != all.count {
        throw root.fail("a path stands for two files")
    }
    if !manifest.otherFiles.contains(where: { $0.role == "labels" }) {
        throw root.fail("other_files has no \(Constants.labelsName)")
    }
    let given = manifest.otherFiles.filter { $0.role == "golden" }.map { $0.path }
    if Set(given) != Set(manifest.golden.map { $0.file }) {
        throw root.fail("golden photos must stand both in golden and in other_files")
    }
}

private func checkArtifact(_ root: Node, _ artifact: Artifact, _ hierarchy: Hierarchy?) throws {
    func check(_ isFit: Bool, _ why: String) throws {
        if !isFit { throw root.fail("artifacts: \(artifact.path) \(why)") }
    }
    let rank = rankOf(artifact.runtime, artifact.precision, artifact.backend)
    try check(rank != nil, "is of no such kind")
    let names: [JsonValue?] = artifact.outputs.map {
        if case .object(let members) = $0 { return members["name"] }
        return nil
    }
    try check(names == Lists.outputs.map { Optional(JsonValue.text($0)) }, "must give \(Lists.outputs)")
    if case .object = artifact.input {} else { try check(false, "must say what it takes") }
    try check(
        artifact.acceptedByHand != artifact.objections.isEmpty,
        "was accepted by hand without objections, or the reverse")
    try check(
        artifact.hasParity || artifact.acceptedByHand,
        "has no parity figures, and nobody accepted it by hand")
    try check(
        artifact.hasParity == (artifact.confidence != nil),
        "has parity figures without a confidence, or the reverse")
    if let confidence = artifact.confidence {
        try check(
            (confidence.coarse == nil) == (hierarchy == nil),
            "has a threshold for coarse classes where there are none, or the reverse")
    }
}

private func checkGolden(_ root: Node, _ golden: Golden, _ manifest: Manifest) throws {
    func check(_ isFit: Bool, _ why: String) throws {
        if !isFit { throw root.fail("golden: \(golden.file) \(why)") }
    }
    try check(manifest.labels.contains(golden.label), "has a label that is not among the labels")
    for (path, answers) in golden.answers {
        try check(
            manifest.artifacts.contains { $0.path == path },
            "has answers of \(path), which is not among the artifacts")
        try check(
            answers.count == manifest.labels.count, "has \(answers.count) answers of \(path)")
        try check(
            golden.knownScores[path] != nil, "has answers of \(path) without a known score")
    }
}
