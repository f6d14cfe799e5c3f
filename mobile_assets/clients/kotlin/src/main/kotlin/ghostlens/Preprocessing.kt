package ghostlens

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin

/**
 * A decoded photo: rows from the upper left corner, 3 bytes a pixel, RGB.
 *
 * @throws PhotoException not as many bytes as pixels, too many pixels, or too thin.
 */
class Pixels(val width: Int, val height: Int, val rgb: ByteArray) {
    init {
        val pixels = width.toLong() * height
        if (width < 1 || height < 1 || rgb.size.toLong() != 3 * pixels) {
            throw PhotoException("${rgb.size} bytes for $width x $height pixels: allowed are 3 bytes a pixel")
        }
        if (pixels > Constants.MAX_PIXELS) throw PhotoException("$pixels pixels: allowed are ${Constants.MAX_PIXELS}")
        if (max(width, height).toLong() > Constants.MAX_ASPECT.toLong() * min(width, height)) {
            throw PhotoException("$width x $height is too thin: allowed are up to ${Constants.MAX_ASPECT} : 1")
        }
    }

    companion object {
        /** Takes what Android's `Bitmap.getPixels` gives: one ARGB number a pixel. */
        fun fromArgb(width: Int, height: Int, argb: IntArray): Pixels {
            val rgb = ByteArray(3 * argb.size)
            argb.forEachIndexed { index, pixel ->
                for (channel in 0..2) rgb[3 * index + channel] = (pixel shr (16 - 8 * channel)).toByte()
            }
            return Pixels(width, height, rgb)
        }
    }
}

/** Turns a photo as its EXIF Orientation tag says, 1 to 8; other values say nothing. */
fun turn(photo: Pixels, orientation: Int): Pixels {
    if (orientation !in 2..8) return photo
    val (width, height) = photo.width to photo.height
    val isSwapped = orientation >= 5
    val (outWidth, outHeight) = if (isSwapped) height to width else width to height
    val rgb = ByteArray(photo.rgb.size)
    for (y in 0 until outHeight) {
        for (x in 0 until outWidth) {
            val (u, v) = if (isSwapped) y to x else x to y
            val fromX = if (orientation in setOf(2, 3, 7, 8)) width - 1 - u else u
            val fromY = if (orientation in setOf(3, 4, 6, 7)) height - 1 - v else v
            photo.rgb.copyInto(rgb, 3 * (y * outWidth + x), 3 * (fromY * width + fromX), 3 * (fromY * width + fromX) + 3)
        }
    }
    return Pixels(outWidth, outHeight, rgb)
}

/** Where the resize and the crop lead: the size after the resize, and the crop's corner in it. */
data class Geometry(val width: Int, val height: Int, val left: Int, val top: Int)

/** Returns the geometry for a turned photo: in proportion, rounded half up, in whole numbers. */
fun Preprocess.geometry(width: Int, height: Int): Geometry {
    val short = min(width, height).toLong()
    val (newWidth, newHeight) = listOf(width, height).map { ((2L * it * resizePx + short) / (2 * short)).toInt() }
    return Geometry(newWidth, newHeight, (newWidth - inputPx) / 2, (newHeight - inputPx) / 2)
}

/**
 * Resizes a turned photo so that its shorter side fits, and crops the middle, as Pillow does it.
 *
 * Platforms scale by filters of their own, which costs accuracy and fails the self-test.
 *
 * @return RGB, `inputPx` rows of `inputPx` pixels, 0 to 255 as they are: the model scales them.
 */
fun Preprocess.apply(photo: Pixels): Pixels {
    val geometry = geometry(photo.width, photo.height)
    val columns = (0 until inputPx).map { makeWindow(resampler, photo.width, geometry.width, geometry.left + it) }
    val rows = (0 until inputPx).map { makeWindow(resampler, photo.height, geometry.height, geometry.top + it) }
    return resizeRows(resizeColumns(photo, columns, rows), rows)
}

/** Where an output sample begins in the input, and its weights there, as whole numbers. */
private class Window(val start: Int, val weights: IntArray)

/** Pillow's fixed point for 8-bit samples: 32 bits less 8 for the sample and 2 for overshoot. */
private const val PRECISION_BITS = 22

private fun supportOf(resampler: String): Double = mapOf("bilinear" to 1.0, "bicubic" to 2.0, "lanczos" to 3.0).getValue(resampler)

private fun weigh(resampler: String, x: Double): Double =
    when (resampler) {
        "bilinear" -> max(0.0, 1 - abs(x))
        "bicubic" -> weighBicubic(abs(x))
        else -> if (x >= -3 && x < 3) sinc(x) * sinc(x / 3) else 0.0
    }

/** Cubic convolution with a = -0.5. */
private fun weighBicubic(x: Double): Double {
    val a = -0.5
    return when {
        x < 1 -> ((a + 2) * x - (a + 3)) * x * x + 1
        x < 2 -> (((x - 5) * x + 8) * x - 4) * a
        else -> 0.0
    }
}

private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else sin(PI * x) / (PI * x)

/** The filter's support grows with the factor of reduction, against aliasing. */
private fun makeWindow(resampler: String, inSize: Int, outSize: Int, index: Int): Window {
    val scale = inSize.toDouble() / outSize
    val stretch = max(scale, 1.0)
    val reach = supportOf(resampler) * stretch
    val center = (index + 0.5) * scale
    val start = max(0, (center - reach + 0.5).toInt())
    val stop = min(inSize, (center + reach + 0.5).toInt())
    // As Pillow multiplies by the inverse, so that the last bits are the same.
    val inverse = 1 / stretch
    val weights = (start until stop).map { weigh(resampler, (it - center + 0.5) * inverse) }
    val sum = weights.sum()
    return Window(start, weights.map { toFixedPoint(if (sum == 0.0) it else it / sum) }.toIntArray())
}

private fun toFixedPoint(weight: Double): Int {
    val scaled = weight * (1 shl PRECISION_BITS)
    return (if (scaled < 0) scaled - 0.5 else scaled + 0.5).toInt()
}

/** Horizontally, in the rows that the vertical pass needs; others stay 0. */
private fun resizeColumns(photo: Pixels, columns: List<Window>, rows: List<Window>): Band {
    val out = Band(columns.size, ByteArray(photo.height * columns.size * 3))
    for (y in rows.first().start until rows.last().start + rows.last().weights.size) {
        columns.forEachIndexed { x, window ->
            sumInto(out.rgb, (y * columns.size + x) * 3, photo.rgb, (y * photo.width + window.start) * 3, 3, window.weights)
        }
    }
    return out
}

private class Band(val width: Int, val rgb: ByteArray)

/** Vertically. */
private fun resizeRows(band: Band, rows: List<Window>): Pixels {
    val out = ByteArray(rows.size * band.width * 3)
    rows.forEachIndexed { y, window ->
        for (x in 0 until band.width) {
            val from = (window.start * band.width + x) * 3
            sumInto(out, (y * band.width + x) * 3, band.rgb, from, band.width * 3, window.weights)
        }
    }
    return Pixels(band.width, rows.size, out)
}

/** Weighs the samples of one output pixel, and rounds to 8 bits. */
private fun sumInto(out: ByteArray, to: Int, data: ByteArray, from: Int, step: Int, weights: IntArray) {
    for (channel in 0..2) {
        var sum = 1 shl (PRECISION_BITS - 1)
        for (index in weights.indices) {
            sum += weights[index] * (data[from + index * step + channel].toInt() and 0xff)
        }
        out[to + channel] = (sum shr PRECISION_BITS).coerceIn(0, 255).toByte()
    }
}
