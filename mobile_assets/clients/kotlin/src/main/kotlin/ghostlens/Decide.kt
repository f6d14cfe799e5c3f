package ghostlens

/** A runtime that an app links; [version] null where it does not say. */
data class RuntimeOfApp(val name: String, val version: String? = null)

/** The version that a device runs; [manifestSha256] null where it does not say. */
data class Running(val version: String, val manifestSha256: String? = null)

/** A device. What it does not say is null, or empty, and meets no condition. */
data class Device(
    /** "android" in an app for Android. */
    val platform: String,
    val osVersion: String? = null,
    val appVersion: String? = null,
    /** Stays the same for a device; without one no staged rollout includes it. */
    val deviceId: String? = null,
    val channel: String = Constants.STABLE,
    /** Best first; the platform's own list without. */
    val runtimes: List<RuntimeOfApp> = emptyList(),
    /** The most faithful without. */
    val precision: String? = null,
    val memoryBytes: Long? = null,
    val freeBytes: Long? = null,
    /** "unmetered" or "metered". */
    val network: String? = null,
    val running: Running? = null,
    /** SHA-256 of artifact files that it kept. */
    val have: Set<String> = emptySet(),
    /** Versions that failed their self-test, or to start, on this device. */
    val refused: Set<String> = emptySet(),
)

/** A model file that a version offers; [madeWith] is ExecuTorch's version, empty where none binds. */
data class OfferedArtifact(
    val path: String,
    val runtime: String,
    val precision: String,
    val backend: String,
    val platforms: List<String>,
    val madeWith: String,
    val sha256: String,
    val sizeBytes: Long,
)

/** What a version's manifest holds for devices. */
data class Offer(val manifestSha256: String, val artifacts: List<OfferedArtifact>, val otherBytes: Long) {
    /** Returns the file of the first runtime of an app for which there is one. */
    fun chooseArtifact(device: Device): OfferedArtifact? {
        val own = RUNTIMES_OF[device.platform].orEmpty().map { RuntimeOfApp(it) }
        for (runtime in device.runtimes.ifEmpty { own }) {
            val fitting = artifacts.filter { it.fits(device, runtime) }
            if (fitting.isNotEmpty()) return fitting.minBy { it.rank }
        }
        return null
    }

    companion object {
        /** Returns what counts of a manifest, whose bytes are [data]. */
        fun of(manifest: Manifest, data: ByteArray): Offer {
            val artifacts = manifest.artifacts.map {
                val madeWith = it.toolVersions["executorch"].orEmpty()
                OfferedArtifact(it.path, it.runtime, it.precision, it.backend, it.platforms, madeWith, it.sha256, it.sizeBytes)
            }
            return Offer(sha256Hex(data), artifacts, data.size + manifest.pulledFiles.sumOf { it.sizeBytes })
        }
    }
}

/** What a server holds back of the signed policy; a device on its own knows of nothing. */
data class Restraint(val halted: Set<String> = emptySet(), val shareBp: Int = Constants.WHOLE_SHARE_BP)

/** Why a version is not for a device. */
data class Objection(val code: Code, val reason: String)

/** What a device should do; [version] is the one to take, or the one that the reason is about. */
data class Decision(
    val action: Action,
    val code: Code,
    val reason: String,
    val version: String?,
    /** Path of the model file to take. */
    val artifact: String? = null,
)

/** Returns the versions that a channel's devices may be offered, the first choice first. */
fun Release.candidates(channel: String): List<String> {
    val found = channels[channel] ?: return emptyList()
    return listOfNotNull(found.rollout?.version, found.current).distinct()
}

/**
 * Decides what a device should run: the signed policy alone, and what a server holds back.
 *
 * @param offers of each of `release.candidates(device.channel)`.
 */
fun decide(release: Release, device: Device, offers: Map<String, Offer>, restraint: Restraint = Restraint()): Decision =
    Policy(release, device, offers, restraint).decide()

/**
 * Returns why a device may not take a version now, or null where it may.
 *
 * With no restraint this is what an app holds a server's answer against.
 */
fun objectToTaking(release: Release, device: Device, version: String, offer: Offer, restraint: Restraint = Restraint()): Objection? =
    Policy(release, device, mapOf(version to offer), restraint).objectToTaking(version)

private class Policy(
    val release: Release,
    val device: Device,
    val offers: Map<String, Offer>,
    val restraint: Restraint,
) {
    fun decide(): Decision {
        val candidates = release.candidates(device.channel)
        if (candidates.isEmpty()) {
            return Decision(Action.NONE, Code.NO_CHANNEL, "there is no channel ${device.channel}", null)
        }
        var last = Objection(Code.UP_TO_DATE, "you run what you should")
        for (version in candidates) {
            val runs = runs(version)
            val objection = if (runs) objectToRunning(version) else objectToTaking(version)
            if (objection == null) {
                return if (runs) Decision(Action.NONE, last.code, last.reason, version) else take(version)
            }
            last = objection
        }
        val leave = objectToStaying() ?: return Decision(Action.NONE, last.code, last.reason, candidates.last())
        return Decision(Action.GO_BACK, leave.code, "${leave.reason}; ${last.reason}", candidates.last())
    }

    fun objectToTaking(version: String): Objection? {
        objectToRunning(version)?.let { return it }
        val channel = release.channels.getValue(device.channel)
        val rollout = channel.rollout
        if (rollout != null && version == rollout.version && version != channel.current &&
            !isIncluded(rollout.salt, device.deviceId, restraint.shareBp)
        ) {
            return Objection(Code.HELD, "$version is held until enough devices reported")
        }
        return objectToDownload(version, offers.getValue(version))
    }

    /** Only the policy counts: what runs already needs no space, and passed its self-test. */
    private fun objectToRunning(version: String): Objection? {
        if (version !in release.candidates(device.channel)) {
            return Objection(Code.NOT_OFFERED, "$version is not offered in ${device.channel}")
        }
        val channel = release.channels.getValue(device.channel)
        val isIn = channel.rollout?.let { isIncluded(it.salt, device.deviceId, it.shareBp) } ?: false
        return when {
            version != channel.current && !isIn -> Objection(Code.NOT_IN_ROLLOUT, "$version is not yet for this device")
            version in restraint.halted -> Objection(Code.HALTED, "$version was halted")
            version in device.refused -> Objection(Code.REFUSED_HERE, "$version failed on this device")
            else -> null
        }
    }

    private fun objectToDownload(version: String, offer: Offer): Objection? {
        val entry = release.versions.find { it.version == version }
        if (entry == null || entry.deprecated != null) {
            return Objection(Code.DEPRECATED, "$version is deprecated: ${entry?.deprecated}")
        }
        entry.conditions?.findUnmet(device)?.let { return Objection(Code.CONDITIONS, "$version is not for this device: $it") }
        val artifact = offer.chooseArtifact(device)
            ?: return Objection(Code.NOTHING_FITS, "$version has nothing for ${device.platform} that this app can run")
        val download = offer.otherBytes + if (artifact.sha256 in device.have) 0 else artifact.sizeBytes
        if (device.freeBytes != null && device.freeBytes < Constants.SPACE_FACTOR * download) {
            return Objection(Code.NO_SPACE, "$version needs ${Constants.SPACE_FACTOR * download} free bytes")
        }
        if (entry.conditions?.network == "unmetered" && device.network != "unmetered") {
            return Objection(Code.NETWORK, "$version is downloaded over an unmetered network only")
        }
        return null
    }

    /** Returns why a device must leave what it runs although it can take nothing. */
    private fun objectToStaying(): Objection? {
        val version = device.running?.version ?: return null
        if (version in restraint.halted) return Objection(Code.HALTED, "$version was halted")
        if (version in device.refused) return Objection(Code.REFUSED_HERE, "$version failed on this device")
        val current = release.channels.getValue(device.channel).current
        // An older one is waiting for the update; a newer one was rolled back.
        val isKnown = release.versions.any { it.version == version }
        if (!isKnown || compareVersions(version, current) >= 0) {
            return Objection(Code.WITHDRAWN, "$version is not what should run")
        }
        return null
    }

    private fun take(version: String): Decision {
        val path = offers.getValue(version).chooseArtifact(device)?.path
        val running = device.running?.version
            ?: return Decision(Action.TAKE, Code.FIRST, "you run none yet", version, path)
        return when {
            running == version -> Decision(Action.TAKE, Code.OTHER_CONTENT, "what you run as $version has other content", version, path)
            isNewer(version, running) -> Decision(Action.TAKE, Code.NEW_VERSION, "$version is newer than yours", version, path)
            else -> Decision(Action.TAKE, Code.ROLLED_BACK, "$running is not offered to you any more", version, path)
        }
    }

    private fun runs(version: String): Boolean {
        val running = device.running ?: return false
        val sha256 = running.manifestSha256
        return running.version == version && (sha256 == null || sha256 == offers.getValue(version).manifestSha256)
    }
}

private fun isNewer(version: String, running: String): Boolean =
    try {
        compareVersions(version, running) > 0
    } catch (error: VersionException) {
        true // than something that never was a version
    }

private val OfferedArtifact.rank: Int
    get() = VARIANTS.indexOf(findVariant(runtime, precision, backend))

private fun OfferedArtifact.fits(device: Device, app: RuntimeOfApp): Boolean {
    if (runtime != app.name || device.platform !in platforms) return false
    val binds = runtime == "executorch" && madeWith.isNotEmpty() && app.version != null
    if (binds && !runsOnExecutorch(madeWith, app.version.orEmpty())) return false
    return if (device.precision != null) precision == device.precision else findVariant(runtime, precision, backend)?.executedHere == true
}

/** Returns, in words, a condition that a device does not meet and will not soon. */
private fun Conditions.findUnmet(device: Device): String? {
    val least = minOs?.get(device.platform)
    if (least != null && !holds(device.osVersion) { compareSystems(it, least) >= 0 }) {
        return "it needs ${device.platform} $least, not ${device.osVersion}"
    }
    if (appVersion != null && !holds(device.appVersion) { it in appVersion }) {
        return "it needs version ${appVersion.text} of the app, not ${device.appVersion}"
    }
    if (minMemoryBytes != null && (device.memoryBytes == null || device.memoryBytes < minMemoryBytes)) {
        return "it needs $minMemoryBytes bytes of memory, not ${device.memoryBytes}"
    }
    return null
}

private fun holds(found: String?, check: (String) -> Boolean): Boolean =
    try {
        found != null && check(found)
    } catch (error: VersionException) {
        false
    }
