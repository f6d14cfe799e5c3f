import Foundation

#if canImport(CryptoKit)
    import CryptoKit

    /// Returns the SHA-256 of some bytes.
    func sha256(_ data: Data) -> [UInt8] { Array(SHA256.hash(data: data)) }
#else
    /// Returns the SHA-256 of some bytes (FIPS 180-4), where there is no CryptoKit.
    func sha256(_ data: Data) -> [UInt8] {
        var state = primes(8).map { fraction(Double($0).squareRoot()) }
        let keys = primes(64).map { fraction(cbrt(Double($0))) }
        var bytes = Array(data) + [0x80]
        while bytes.count % 64 != 56 { bytes.append(0) }
        let bits = UInt64(data.count) * 8
        bytes += (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64(56 - 8 * $0)) }
        for start in stride(from: 0, to: bytes.count, by: 64) {
            mix(&state, schedule(bytes[start..<start + 64]), keys)
        }
        return state.flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * $0)) }
        }
    }

    private func primes(_ count: Int) -> [Int] {
        var found: [Int] = []
        var candidate = 2
        while found.count < count {
            if found.allSatisfy({ candidate % $0 != 0 }) { found.append(candidate) }
            candidate += 1
        }
        return found
    }

    private func fraction(_ root: Double) -> UInt32 {
        UInt32((root - root.rounded(.down)) * 4_294_967_296)
    }

    private func rotate(_ word: UInt32, _ by: UInt32) -> UInt32 {
        (word >> by) | (word << (32 - by))
    }

    private func schedule(_ block: ArraySlice<UInt8>) -> [UInt32] {
        let bytes = Array(block)
        var words: [UInt32] = (0..<16).map { index in
            bytes[4 * index..<4 * index + 4].reduce(UInt32(0)) { ($0 << 8) | UInt32($1) }
        }
        for index in 16..<64 {
            let (one, two) = (words[index - 15], words[index - 2])
            let first = rotate(one, 7) ^ rotate(one, 18) ^ (one >> 3)
            let second = rotate(two, 17) ^ rotate(two, 19) ^ (two >> 10)
            words.append(words[index - 16] &+ first &+ words[index - 7] &+ second)
        }
        return words
    }

    private func mix(_ state: inout [UInt32], _ words: [UInt32], _ keys: [UInt32]) {
        var s = state
        for index in 0..<64 {
            let e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)
            let choice = (s[4] & s[5]) ^ (~s[4] & s[6])
            let first = s[7] &+ e &+ choice &+ keys[index] &+ words[index]
            let a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)
            let majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2])
            s = [first &+ a &+ majority, s[0], s[1], s[2], s[3] &+ first, s[4], s[5], s[6]]
        }
        for index in 0..<8 { state[index] = state[index] &+ s[index] }
    }
#endif

/// Returns the SHA-256 of some bytes, as 64 lower-case hexadecimal digits.
public func sha256Hex(_ data: Data) -> String {
    let digits = Array("0123456789abcdef")
    return String(sha256(data).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}

/// Returns a device's bucket, 0 to 2^32 - 1: the first four bytes, big-endian, of the SHA-256 of
/// the salt, a colon, and the id, in UTF-8.
public func findBucket(salt: String, deviceId: String) -> UInt32 {
    sha256(Data("\(salt):\(deviceId)".utf8)).prefix(4).reduce(UInt32(0)) { ($0 << 8) | UInt32($1) }
}

/// Returns whether a rollout to `shareBp` of 10,000 devices includes one; never without an id.
public func isIncluded(salt: String, deviceId: String?, shareBp: Int) -> Bool {
    guard let id = deviceId, !id.isEmpty else { return false }
    let bucket = UInt64(findBucket(salt: salt, deviceId: id))
    return bucket * UInt64(Constants.wholeShareBp) < UInt64(shareBp) << 32
}
