val rgb = assets.open("§{folder}/first.rgb").readBytes()
val model = CompiledModel.create(assets, "§{folder}/variant/§{file}", CompiledModel.Options(Accelerator.CPU))
val inputs = model.createInputBuffers().onEach { it.writeFloat(FloatArray(rgb.size) { i -> (rgb[i].toInt() and 255).toFloat() }) }
val probabilities = model.run(inputs)[0].readFloat()
println(assets.open("§{folder}/labels.txt").bufferedReader().readLines()[probabilities.indices.maxBy { probabilities[it] }])
