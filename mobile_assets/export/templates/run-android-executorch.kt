val file = File(filesDir, "§{file}").apply { writeBytes(assets.open("§{path}").readBytes()) }
val x = FloatArray(rgb.size) { i -> (rgb[3 * (i % §{count}) + i / §{count}].toInt() and 255).toFloat() }
val (probabilities, knownScore) = Module.load(file.path).forward(EValue.from(Tensor.fromBlob(x, longArrayOf(1, 3, §{side}, §{side})))).map { it.toTensor().dataAsFloatArray }
