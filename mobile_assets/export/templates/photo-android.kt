val manifest = parseManifest(assets.open("§{folder}/manifest.json").readBytes())
val photo = turn(Pixels.fromArgb(width, height, argb), exifOrientation)
val rgb = manifest.preprocess.apply(photo).rgb // row by row, 3 bytes a pixel
