import Foundation

/// A runtime that an app links; `version` nil where it does not say.
public struct RuntimeOfApp: Equatable, Sendable {
    public let name: String
    public let version: String?

    public init(_ name: String, version: String? = nil) {
        self.name = name
        self.version = version
    }
}

/// The version that a device runs; `manifestSha256` nil where it does not say.
public struct Running: Equatable, Sendable {
    public let version: String
    public let manifestSha256: String?

    public init(_ version: String, manifestSha256: String? = nil) {
        self.version = version
        self.manifestSha256 = manifestSha256
    }
}

/// A device. What it does not say is nil, or empty, and meets no condition.
public struct Device: Equatable, Sendable {
    /// "ios" in an app for iOS.
    public var platform: String
    public var osVersion: String?
    public var appVersion: String?
    /// Stays the same for a device; without one no staged rollout includes it.
    public var deviceId: String?
    public var channel = Constants.stable
    /// Best first; the platform's own list without.
    public var runtimes: [RuntimeOfApp] = []
    /// The most faithful without.
    public var precision: String?
    public var memoryBytes: Int?
    public var freeBytes: Int?
    /// "unmetered" or "metered".
    public var network: String?
    public var running: Running?
    /// SHA-256 of artifact files that it kept.
    public var have: Set<String> = []
    /// Versions that failed their self-test, or to start, on this device.
    public var refused: Set<String> = []

    public init(platform: String) { self.platform = platform }
}

/// A model file that a version offers; `madeWith` is ExecuTorch's version, empty where none binds.
public struct OfferedArtifact: Equatable, Sendable {
    public let path: String
    public let runtime: String
    public let precision: String
    public let backend: String
    public let platforms: [String]
    public let madeWith: String
    public let sha256: String
    public let sizeBytes: Int

    func fits(_ device: Device, _ app: RuntimeOfApp) -> Bool {
        if runtime != app.name || !platforms.contains(device.platform) { return false }
        if runtime == "executorch", !madeWith.isEmpty, let linked = app.version,
            !runsOnExecutorch(madeWith, linked)
        {
            return false
        }
        if let wanted = device.precision { return precision == wanted }
        return rankOf(runtime, precision, backend).map { variants[$0].executedHere } ?? false
    }
}

/// What a version's manifest holds for devices.
public struct Offer: Equatable, Sendable {
    public let manifestSha256: String
    public let artifacts: [OfferedArtifact]
    /// Of all else that a device downloads.
    public let otherBytes: Int

    init(manifestSha256: String, artifacts: [OfferedArtifact], otherBytes: Int) {
        self.manifestSha256 = manifestSha256
        self.artifacts = artifacts
        self.otherBytes = otherBytes
    }

    /// Takes what counts of a manifest, whose bytes are `data`.
    public init(manifest: Manifest, data: Data) {
        manifestSha256 = sha256Hex(data)
        otherBytes = data.count + manifest.pulledFiles.map { $0.sizeBytes }.reduce(0, +)
        artifacts = manifest.artifacts.map {
            OfferedArtifact(
                path: $0.path, runtime: $0.runtime, precision: $0.precision, backend: $0.backend,
                platforms: $0.platforms, madeWith: $0.toolVersions["executorch"] ?? "",
                sha256: $0.sha256, sizeBytes: $0.sizeBytes)
        }
    }

    /// Returns the file of the first runtime of an app for which there is one.
    public func chooseArtifact(_ device: Device) -> OfferedArtifact? {
        let own = (runtimesOf[device.platform] ?? []).map { RuntimeOfApp($0) }
        for runtime in device.runtimes.isEmpty ? own : device.runtimes {
            let fitting = artifacts.filter { $0.fits(device, runtime) }
            let best = fitting.min { rank($0) < rank($1) }
            if best != nil { return best }
        }
        return nil
    }

    private func rank(_ artifact: OfferedArtifact) -> Int {
        rankOf(artifact.runtime, artifact.precision, artifact.backend) ?? Int.max
    }
}

/// What a server holds back of the signed policy; a device on its own knows of nothing.
public struct Restraint: Equatable, Sendable {
    public let halted: Set<String>
    public let shareBp: Int

    public init(halted: Set<String> = [], shareBp: Int = Constants.wholeShareBp) {
        self.halted = halted
        self.shareBp = shareBp
    }
}

/// Why a version is not for a device.
public struct Objection: Equatable, Sendable {
    public let code: Code
    public let reason: String
}

/// What a device should do; `version` is the one to take, or the one that the reason is about.
public struct Decision: Equatable, Sendable {
    public let action: Action
    public let code: Code
    public let reason: String
    public let version: String?
    /// Path of the model file to take.
    public var artifact: String?
}

extension Release {
    /// Returns the versions that a channel's devices may be offered, the first choice first.
    public func candidates(_ channel: String) -> [String] {
        guard let found = channels[channel] else { return [] }
        guard let rollout = found.rollout, rollout.version != found.current else {
            return [found.current]
        }
        return [rollout.version, found.current]
    }
}

/// Decides what a device should run: the signed policy alone, and what a server holds back.
///
/// - Parameter offers: of each of `release.candidates(device.channel)`.
public func decide(
    _ release: Release, _ device: Device, _ offers: [String: Offer],
    _ restraint: Restraint = Restraint()
) throws -> Decision {
    try Policy(release: release, device: device, offers: offers, restraint: restraint).decide()
}

/// Returns why a device may not take a version now, or nil where it may.
///
/// With no restraint this is what an app holds a server's answer against.
public func objectToTaking(
    _ release: Release, _ device: Device, _ version: String, _ offer: Offer,
    _ restraint: Restraint = Restraint()
) throws -> Objection? {
    let offers = [version: offer]
    return try Policy(release: release, device: device, offers: offers, restraint: restraint)
        .objectToTaking(version)
}

private struct Policy {
    let release: Release
    let device: Device
    let offers: [String: Offer]
    let restraint: Restraint

    func decide() throws -> Decision {
        let candidates = release.candidates(device.channel)
        var last = Objection(code: .upToDate, reason: "you run what you should")
        for version in candidates {
            let isRunning = try runs(version)
            let objection =
                isRunning ? try objectToRunning(version) : try objectToTaking(version)
            if let found = objection {
                last = found
            } else if isRunning {
                return Decision(
                    action: .none, code: last.code, reason: last.reason, version: version)
            } else {
                return try take(version)
            }
        }
        guard let current = candidates.last else {
            return Decision(
                action: .none, code: .noChannel, reason: "there is no channel \(device.channel)",
                version: nil)
        }
        guard let leave = try objectToStaying(current) else {
            return Decision(action: .none, code: last.code, reason: last.reason, version: current)
        }
        return Decision(
            action: .goBack, code: leave.code, reason: "\(leave.reason); \(last.reason)",
            version: current)
    }

    func objectToTaking(_ version: String) throws -> Objection? {
        if let objection = try objectToRunning(version) { return objection }
        if let channel = release.channels[device.channel], let rollout = channel.rollout,
            version == rollout.version, version != channel.current,
            !isIncluded(
                salt: rollout.salt, deviceId: device.deviceId, shareBp: restraint.shareBp)
        {
            return Objection(
                code: .held, reason: "\(version) is held until enough devices reported")
        }
        return try objectToDownload(version, try offer(version))
    }

    /// Only the policy counts: what runs already needs no space, and passed its self-test.
    func objectToRunning(_ version: String) throws -> Objection? {
        guard let channel = release.channels[device.channel],
            release.candidates(device.channel).contains(version)
        else {
            return Objection(
                code: .notOffered, reason: "\(version) is not offered in \(device.channel)")
        }
        let isIn =
            channel.rollout.map {
                isIncluded(salt: $0.salt, deviceId: device.deviceId, shareBp: $0.shareBp)
            } ?? false
        if version != channel.current && !isIn {
            return Objection(
                code: .notInRollout, reason: "\(version) is not yet for this device")
        }
        if restraint.halted.contains(version) {
            return Objection(code: .halted, reason: "\(version) was halted")
        }
        if device.refused.contains(version) {
            return Objection(code: .refusedHere, reason: "\(version) failed on this device")
        }
        return nil
    }

    private func objectToDownload(_ version: String, _ offer: Offer) throws -> Objection? {
        guard let entry = release.versions.first(where: { $0.version == version }),
            entry.deprecated == nil
        else { return Objection(code: .deprecated, reason: "\(version) is deprecated") }
        if let unmet = entry.conditions.flatMap({ findUnmet($0, device) }) {
            return Objection(
                code: .conditions, reason: "\(version) is not for this device: \(unmet)")
        }
        guard let artifact = offer.chooseArtifact(device) else {
            let reason = "\(version) has nothing for \(device.platform) that this app can run"
            return Objection(code: .nothingFits, reason: reason)
        }
        let own = device.have.contains(artifact.sha256) ? 0 : artifact.sizeBytes
        let needed = Constants.spaceFactor * (offer.otherBytes + own)
        if let free = device.freeBytes, free < needed {
            return Objection(code: .noSpace, reason: "\(version) needs \(needed) free bytes")
        }
        if entry.conditions?.network == "unmetered" && device.network != "unmetered" {
            return Objection(
                code: .network, reason: "\(version) needs an unmetered network to download")
        }
        return nil
    }

    /// Returns why a device must leave what it runs although it can take nothing.
    private func objectToStaying(_ current: String) throws -> Objection? {
        guard let version = device.running?.version else { return nil }
        if restraint.halted.contains(version) {
            return Objection(code: .halted, reason: "\(version) was halted")
        }
        if device.refused.contains(version) {
            return Objection(code: .refusedHere, reason: "\(version) failed on this device")
        }
        // An older one is waiting for the update; a newer one was rolled back.
        let isKnown = release.versions.contains { $0.version == version }
        if try !isKnown || compareVersions(version, current) >= 0 {
            return Objection(code: .withdrawn, reason: "\(version) is not what should run")
        }
        return nil
    }

    private func take(_ version: String) throws -> Decision {
        let path = try offer(version).chooseArtifact(device)?.path
        var code = Code.first
        if let running = device.running?.version {
            code = running == version ? .otherContent : isNewer(version, running)
        }
        return Decision(
            action: .take, code: code, reason: "\(version) is what should run", version: version,
            artifact: path)
    }

    /// Every version is newer than something that never was one.
    private func isNewer(_ version: String, _ running: String) -> Code {
        guard let order = try? compareVersions(version, running) else { return .newVersion }
        return order > 0 ? .newVersion : .rolledBack
    }

    private func runs(_ version: String) throws -> Bool {
        guard let running = device.running, running.version == version else { return false }
        guard let sha256 = running.manifestSha256 else { return true }
        return sha256 == (try offer(version)).manifestSha256
    }

    private func offer(_ version: String) throws -> Offer {
        guard let found = offers[version] else {
            throw GhostlensError.manifest("there is no manifest of \(version)")
        }
        return found
    }
}

/// Returns, in words, a condition that a device does not meet and will not soon.
private func findUnmet(_ conditions: Conditions, _ device: Device) -> String? {
    if let least = conditions.minOs?[device.platform] {
        let order = device.osVersion.flatMap { try? compareSystems($0, least) }
        if (order ?? -1) < 0 { return "it needs \(device.platform) \(least)" }
    }
    if let wanted = conditions.appVersion {
        let isMeant = device.appVersion.flatMap { try? wanted.contains($0) }
        if isMeant != true { return "it needs version \(wanted.text) of the app" }
    }
    if let least = conditions.minMemoryBytes, (device.memoryBytes ?? 0) < least {
        return "it needs \(least) bytes of memory"
    }
    return nil
}
