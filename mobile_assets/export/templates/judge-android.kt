val artifact = manifest.artifacts.first { it.path == "§{artifact}" }§{which}
val answer = judge(probabilities.map { it.toDouble() }, knownScore[0].toDouble(), artifact.confidence!!.limits, manifest.hierarchy)
println("${answer.verdict}: ${manifest.labels[answer.index]} ${answer.probability}")
