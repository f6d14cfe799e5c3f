let photo = Bundle.main.url(forResource: "first", withExtension: "png", subdirectory: "§{folder}")!
let model = try §{stem}(configuration: MLModelConfiguration())
let answer = try model.prediction(input: §{stem}Input(imageAt: photo))
print(answer.label, answer.probabilities[answer.label]!)
