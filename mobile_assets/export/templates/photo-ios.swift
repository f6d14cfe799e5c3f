let url = Bundle.main.url(forResource: "manifest", withExtension: "json", subdirectory: "§{folder}")!
let manifest = try parseManifest(Data(contentsOf: url))
let photo = try turn(Pixels(width: width, height: height, rgb: pixels), orientation: exifOrientation)
let rgb = try manifest.preprocess.apply(photo).rgb  // row by row, 3 bytes a pixel
