var buffer: CVPixelBuffer?
CVPixelBufferCreate(nil, §{side}, §{side}, kCVPixelFormatType_32BGRA, nil, &buffer)
CVPixelBufferLockBaseAddress(buffer!, [])
let row = CVPixelBufferGetBytesPerRow(buffer!)
let bytes = CVPixelBufferGetBaseAddress(buffer!)!.assumingMemoryBound(to: UInt8.self)
for place in 0..<§{count} {
    for channel in 0..<3 { bytes[place / §{side} * row + place % §{side} * 4 + 2 - channel] = rgb[3 * place + channel] }
}
CVPixelBufferUnlockBaseAddress(buffer!, [])
let given = try §{stem}(configuration: MLModelConfiguration()).prediction(image: buffer!)
let probabilities = manifest.labels.map { given.probabilities[$0]! }
let knownScore = [given.known_score[0].doubleValue]
