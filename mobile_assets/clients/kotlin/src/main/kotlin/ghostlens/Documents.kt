package ghostlens

import java.text.Normalizer

/** A kind of artifact. */
data class Variant(val runtime: String, val precision: String, val backend: String, val executedHere: Boolean)

/** Which kind of artifact this is; null where there is no such kind. */
internal fun findVariant(runtime: String, precision: String, backend: String): Variant? =
    VARIANTS.find { it.runtime == runtime && it.precision == precision && it.backend == backend }

/**
 * Reads a manifest.
 *
 * @throws ManifestException malformed, contradicting itself, or of a newer schema; the message
 *     names the path of the bad key.
 */
fun parseManifest(data: ByteArray): Manifest =
    checkManifest(Node(parseJson(data, "manifest", Constants.MAX_MANIFEST_BYTES), "", "manifest"))

/**
 * Reads a `release.json`.
 *
 * @throws ManifestException malformed, contradicting itself, or of a newer schema.
 */
fun parseRelease(data: ByteArray): Release =
    checkRelease(Node(parseJson(data, Constants.RELEASE_NAME, Constants.MAX_RELEASE_BYTES), "", Constants.RELEASE_NAME))

/**
 * Checks downloaded bytes against the manifest's entry.
 *
 * @throws ManifestException they are not what the manifest names.
 */
fun checkFile(path: String, data: ByteArray, sizeBytes: Long, sha256: String) {
    if (data.size.toLong() != sizeBytes || sha256Hex(data) != sha256) {
        throw ManifestException("$path is not what the manifest names")
    }
}

/** What a device downloads beside its artifact: no reports, nothing of the cloud. */
val Manifest.pulledFiles: List<File> get() = otherFiles.filter { it.role in Lists.pulledRoles }

internal fun checkRelease(root: Node): Release {
    checkSchema(root, Constants.RELEASE_SCHEMA)
    val release = readRelease(root)
    val names = release.versions.map { it.version }
    if (names.toSet().size != names.size) root.fail("versions repeat")
    if (Constants.STABLE !in release.channels) root.fail("channels has no ${Constants.STABLE}")
    for ((name, channel) in release.channels) {
        if (Patterns.channelName.match(name) == null) root.fail("channels.$name: the name must be ${Patterns.channelName.allowed}")
        listOfNotNull(channel.current, channel.rollout?.version).find { it !in names }?.let {
            root.fail("channels.$name names $it, which is not among the versions")
        }
    }
    return release
}

internal fun checkManifest(root: Node): Manifest {
    checkSchema(root, Constants.MANIFEST_SCHEMA, Constants.NAMES_SCHEMA)
    val manifest = readManifest(root)
    checkHasNames(root, manifest)
    checkLabels(root, manifest.labels)
    if (manifest.preprocess.resizePx !in manifest.preprocess.inputPx..2 * manifest.preprocess.inputPx) {
        root.fail("preprocess.resize_px: allowed are input_px to twice input_px")
    }
    manifest.hierarchy?.let { checkHierarchy(root, it, manifest.labels.size) }
    checkPaths(root, manifest)
    manifest.artifacts.forEach { checkArtifact(root, it, manifest.hierarchy) }
    manifest.golden.forEach { checkGolden(root, it, manifest) }
    return manifest
}

/** A manifest with names has a schema of its own, as readers of the one before refuse the role. */
private fun checkHasNames(root: Node, manifest: Manifest) {
    val schema = if (manifest.languages.isEmpty()) Constants.MANIFEST_SCHEMA else Constants.NAMES_SCHEMA
    if (root.entries(Int.MAX_VALUE)["schema"]?.value != JsonText(schema)) {
        root.fail("schema: ${Constants.NAMES_SCHEMA} is for manifests with names, and only for them")
    }
}

private val REFUSED = setOf(
    Character.CONTROL,
    Character.LINE_SEPARATOR,
    Character.PARAGRAPH_SEPARATOR,
    Character.SURROGATE,
)

private fun checkLabels(root: Node, labels: List<String>) {
    for (label in labels) {
        if (!isPlain(label)) root.fail("labels: \"$label\" is not allowed")
    }
    val normal = labels.map { Normalizer.normalize(it, Normalizer.Form.NFC) }
    if (normal.toSet().size != normal.size) root.fail("labels repeat")
}

/** Whether a text may be a label or a name: not too long, no space at an end, no control characters. */
internal fun isPlain(text: String): Boolean {
    val isFit = text == text.trim { it.isWhitespace() } && text.codePointCount(0, text.length) <= Constants.MAX_LABEL_CHARS
    return isFit && text.codePoints().toArray().none { Character.getType(it).toByte() in REFUSED }
}

private fun checkHierarchy(root: Node, hierarchy: Hierarchy, labels: Int) {
    checkLabels(root, hierarchy.coarse)
    if (hierarchy.parents.size != labels) root.fail("hierarchy.parents: one is needed for each of $labels labels")
    if (hierarchy.parents.toSet() != hierarchy.coarse.indices.toSet()) {
        root.fail("hierarchy.parents: each coarse class needs a label, and each label one that is there")
    }
}

/** A role's folder and one plain name, so that no path climbs out or is absolute. */
private fun checkPath(root: Node, path: String, role: String) {
    val folder = FOLDERS.getValue(role)
    val pattern = if (role == "names") Patterns.namesFile else Patterns.fileName
    val isFit = if (role == "labels") {
        path == Constants.LABELS_NAME
    } else {
        path.startsWith(folder) && pattern.match(path.removePrefix(folder)) != null
    }
    if (!isFit) root.fail("the path \"$path\": allowed are ${folder.ifEmpty { Constants.LABELS_NAME }} and a plain name, or a language's")
}

private fun checkPaths(root: Node, manifest: Manifest) {
    manifest.artifacts.forEach { checkPath(root, it.path, "artifact") }
    manifest.golden.forEach { checkPath(root, it.file, "golden") }
    for (file in manifest.otherFiles) {
        checkPath(root, file.path, file.role)
        val isArtifact = file.role == "artifact" || file.role == "cloud-artifact"
        if (isArtifact || (file.role.startsWith("cloud-") && !manifest.hasCloud)) {
            root.fail("other_files: ${file.path} has the role ${file.role}")
        }
    }
    // Phones have file systems that do not tell A from a.
    val paths = (manifest.artifacts.map { it.path } + manifest.otherFiles.map { it.path }).map { it.lowercase() }
    if (paths.toSet().size != paths.size) root.fail("a path stands for two files")
    if (manifest.otherFiles.none { it.role == "labels" }) root.fail("other_files has no ${Constants.LABELS_NAME}")
    val shown = manifest.golden.map { it.file }.toSet()
    if (manifest.otherFiles.filter { it.role == "golden" }.map { it.path }.toSet() != shown) {
        root.fail("golden photos must stand both in golden and in other_files")
    }
}

private fun checkArtifact(root: Node, artifact: Artifact, hierarchy: Hierarchy?) {
    fun fail(why: String): Nothing = root.fail("artifacts: ${artifact.path} $why")
    if (findVariant(artifact.runtime, artifact.precision, artifact.backend) == null) fail("is of no such kind")
    val names = artifact.outputs.map { ((it as? JsonObject)?.members?.get("name") as? JsonText)?.value }
    if (names != Lists.outputs) fail("must give ${Lists.outputs.joinToString()}")
    if (artifact.input !is JsonObject) fail("must say what it takes")
    if (artifact.acceptedByHand == artifact.objections.isEmpty()) fail("was accepted by hand without objections, or the reverse")
    if (!artifact.hasParity && !artifact.acceptedByHand) fail("has no parity figures, and nobody accepted it by hand")
    if (artifact.hasParity != (artifact.confidence != null)) fail("has parity figures without a confidence, or the reverse")
    if (artifact.confidence != null && (artifact.confidence.coarse == null) != (hierarchy == null)) {
        fail("has a threshold for coarse classes where there are none, or the reverse")
    }
}

private fun checkGolden(root: Node, golden: Golden, manifest: Manifest) {
    fun fail(why: String): Nothing = root.fail("golden: ${golden.file} $why")
    if (golden.label !in manifest.labels) fail("has a label that is not among the labels")
    for ((path, answers) in golden.answers) {
        if (manifest.artifacts.none { it.path == path }) fail("has answers of $path, which is not among the artifacts")
        if (answers.size != manifest.labels.size) fail("has ${answers.size} answers of $path")
        if (path !in golden.knownScores) fail("has answers of $path without a known score")
    }
}
