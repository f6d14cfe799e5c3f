let limits = manifest.artifacts.first { $0.path == "§{artifact}" }!.confidence!.limits
let answer = try judge(
    probabilities: probabilities.map { Double($0) }, knownScore: Double(knownScore[0]), limits: limits, hierarchy: manifest.hierarchy)
print(answer.verdict, manifest.labels[answer.index], answer.probability)
