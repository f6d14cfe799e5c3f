let rgb = try Data(contentsOf: Bundle.main.url(forResource: "first", withExtension: "rgb", subdirectory: "§{folder}")!)
§{run-ios-executorch.swift}
print(probabilities)
