package ghostlens

import java.security.MessageDigest

/** Returns the SHA-256 of some bytes, as 64 lower-case hexadecimal digits. */
fun sha256Hex(data: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(data).joinToString("") { "%02x".format(it) }

/**
 * Returns a device's bucket, 0 to 2^32 - 1: the first four bytes, big-endian, of the SHA-256 of the
 * salt, a colon, and the id, in UTF-8.
 */
fun findBucket(salt: String, deviceId: String): Long =
    sha256Hex("$salt:$deviceId".toByteArray()).take(8).toLong(16)

/** Returns whether a rollout to [shareBp] of 10,000 devices includes one; never without an id. */
fun isIncluded(salt: String, deviceId: String?, shareBp: Int): Boolean =
    !deviceId.isNullOrEmpty() && findBucket(salt, deviceId) * Constants.WHOLE_SHARE_BP < shareBp.toLong() shl 32
