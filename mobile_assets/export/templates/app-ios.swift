§{imports}
import Ghostlens

// pixels: RGB, row by row, drawn without a colour profile and without the photo's orientation.
func recognise(width: Int, height: Int, pixels: [UInt8], exifOrientation: Int) throws {
    §{lines}
}
