val rgb = assets.open("§{folder}/first.rgb").readBytes()
§{run-android-executorch.kt}
println(assets.open("§{folder}/labels.txt").bufferedReader().readLines()[probabilities.indices.maxBy { probabilities[it] }])
