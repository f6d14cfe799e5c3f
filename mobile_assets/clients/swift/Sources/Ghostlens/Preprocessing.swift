import Foundation

/// A decoded photo: rows from the upper left corner, 3 bytes a pixel, RGB.
public struct Pixels: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let rgb: [UInt8]

    public init(width: Int, height: Int, rgb: [UInt8]) throws {
        guard width >= 1, height >= 1, rgb.count == 3 * width * height else {
            throw GhostlensError.photo(
                "\(rgb.count) bytes for \(width) x \(height) pixels: allowed are 3 bytes a pixel")
        }
        guard width * height <= Constants.maxPixels else {
            throw GhostlensError.photo(
                "\(width * height) pixels: allowed are \(Constants.maxPixels)")
        }
        guard max(width, height) <= Constants.maxAspect * min(width, height) else {
            throw GhostlensError.photo(
                "\(width) x \(height) is too thin: allowed are up to \(Constants.maxAspect) : 1")
        }
        self.width = width
        self.height = height
        self.rgb = rgb
    }
}

/// Turns a photo as its EXIF Orientation tag says, 1 to 8; other values say nothing.
public func turn(_ photo: Pixels, orientation: Int) throws -> Pixels {
    guard (2...8).contains(orientation) else { return photo }
    let isSwapped = orientation >= 5
    let width = isSwapped ? photo.height : photo.width
    let height = isSwapped ? photo.width : photo.height
    var rgb: [UInt8] = []
    rgb.reserveCapacity(photo.rgb.count)
    for y in 0..<height {
        for x in 0..<width {
            let (u, v) = isSwapped ? (y, x) : (x, y)
            let fromX = [2, 3, 7, 8].contains(orientation) ? photo.width - 1 - u : u
            let fromY = [3, 4, 6, 7].contains(orientation) ? photo.height - 1 - v : v
            let from = 3 * (fromY * photo.width + fromX)
            rgb.append(contentsOf: photo.rgb[from..<from + 3])
        }
    }
    return try Pixels(width: width, height: height, rgb: rgb)
}

/// Where the resize and the crop lead: the size after the resize, and the crop's corner in it.
public struct Geometry: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let left: Int
    public let top: Int
}

extension Preprocess {
    /// Returns the geometry for a turned photo: in proportion, rounded half up, in whole numbers.
    public func geometry(width: Int, height: Int) -> Geometry {
        let short = min(width, height)
        let newWidth = (2 * width * resizePx + short) / (2 * short)
        let newHeight = (2 * height * resizePx + short) / (2 * short)
        return Geometry(
            width: newWidth, height: newHeight, left: (newWidth - inputPx) / 2,
            top: (newHeight - inputPx) / 2)
    }

    /// Resizes a turned photo so that its shorter side fits, and crops the middle, as Pillow does.
    ///
    /// Platforms scale by filters of their own, which costs accuracy and fails the self-test.
    ///
    /// - Returns: RGB, `inputPx` rows of `inputPx` pixels, 0 to 255: the model scales them.
    public func apply(_ photo: Pixels) throws -> Pixels {
        let target = geometry(width: photo.width, height: photo.height)
        let columns = (0..<inputPx).map {
            Window(resampler, photo.width, target.width, target.left + $0)
        }
        let rows = (0..<inputPx).map {
            Window(resampler, photo.height, target.height, target.top + $0)
        }
        let band = resizeColumns(photo, columns, rows)
        return try Pixels(width: inputPx, height: inputPx, rgb: resizeRows(band, inputPx, rows))
    }
}

/// Pillow's fixed point for 8-bit samples: 32 bits less 8 for the sample and 2 for overshoot.
private let precisionBits = 22

/// Where an output sample begins in the input, and its weights there, as whole numbers.
private struct Window {
    let start: Int
    let weights: [Int]

    /// The filter's support grows with the factor of reduction, against aliasing.
    init(_ resampler: String, _ inSize: Int, _ outSize: Int, _ index: Int) {
        let scale = Double(inSize) / Double(outSize)
        let stretch = max(scale, 1)
        let reach = supportOf(resampler) * stretch
        let center = (Double(index) + 0.5) * scale
        let first = max(0, Int(center - reach + 0.5))
        let stop = min(inSize, Int(center + reach + 0.5))
        // As Pillow multiplies by the inverse, so that the last bits are the same.
        let inverse = 1 / stretch
        let found = (first..<stop).map {
            weigh(resampler, (Double($0) - center + 0.5) * inverse)
        }
        let sum = found.reduce(0, +)
        start = first
        weights = found.map { toFixedPoint(sum == 0 ? $0 : $0 / sum) }
    }
}

private func toFixedPoint(_ weight: Double) -> Int {
    let scaled = weight * Double(1 << precisionBits)
    return Int(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
}

private func supportOf(_ resampler: String) -> Double {
    switch resampler {
    case "bilinear": return 1
    case "bicubic": return 2
    default: return 3
    }
}

private func weigh(_ resampler: String, _ x: Double) -> Double {
    switch resampler {
    case "bilinear": return max(0, 1 - abs(x))
    case "bicubic": return weighBicubic(abs(x))
    default: return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0
    }
}

/// Cubic convolution with a = -0.5.
private func weighBicubic(_ x: Double) -> Double {
    let a = -0.5
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
}

private func sinc(_ x: Double) -> Double {
    x == 0 ? 1 : sin(Double.pi * x) / (Double.pi * x)
}

/// Horizontally, in the rows that the vertical pass needs; others stay 0.
private func resizeColumns(_ photo: Pixels, _ columns: [Window], _ rows: [Window]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: photo.height * columns.count * 3)
    let first = rows[0].start
    let last = rows[rows.count - 1]
    for y in first..<last.start + last.weights.count {
        for (x, window) in columns.enumerated() {
            let from = (y * photo.width + window.start) * 3
            sumInto(&out, (y * columns.count + x) * 3, photo.rgb, from, 3, window.weights)
        }
    }
    return out
}

/// Vertically.
private func resizeRows(_ band: [UInt8], _ width: Int, _ rows: [Window]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: rows.count * width * 3)
    for (y, window) in rows.enumerated() {
        for x in 0..<width {
            let from = (window.start * width + x) * 3
            sumInto(&out, (y * width + x) * 3, band, from, width * 3, window.weights)
        }
    }
    return out
}

/// Weighs the samples of one output pixel, and rounds to 8 bits.
private func sumInto(
    _ out: inout [UInt8], _ to: Int, _ data: [UInt8], _ from: Int, _ step: Int, _ weights: [Int]
) {
    for channel in 0..<3 {
        var sum = 1 << (precisionBits - 1)
        for (index, weight) in weights.enumerated() {
            sum += weight * Int(data[from + index * step + channel])
        }
        out[to + channel] = UInt8(max(0, min(255, sum >> precisionBits)))
    }
}
