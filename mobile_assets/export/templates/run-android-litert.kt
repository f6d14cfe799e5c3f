val model = CompiledModel.create(assets, "§{path}", CompiledModel.Options(Accelerator.CPU))
val inputs = model.createInputBuffers().onEach { it.writeFloat(FloatArray(rgb.size) { i -> (rgb[i].toInt() and 255).toFloat() }) }
val (probabilities, knownScore) = model.run(inputs).map { it.readFloat() }
