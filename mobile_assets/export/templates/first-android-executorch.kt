val rgb = assets.open("§{folder}/first.rgb").readBytes()
val file = File(filesDir, "§{file}").apply { writeBytes(assets.open("§{folder}/variant/§{file}").readBytes()) }
val x = FloatArray(rgb.size) { i -> (rgb[3 * (i % §{count}) + i / §{count}].toInt() and 255).toFloat() }
val probabilities = Module.load(file.path).forward(EValue.from(Tensor.fromBlob(x, longArrayOf(1, 3, §{side}, §{side}))))[0].toTensor().dataAsFloatArray
println(assets.open("§{folder}/labels.txt").bufferedReader().readLines()[probabilities.indices.maxBy { probabilities[it] }])
