let rgb = try Data(contentsOf: Bundle.main.url(forResource: "first", withExtension: "rgb", subdirectory: "§{folder}")!)
§{run-ios-litert.swift}
print(probabilities)
