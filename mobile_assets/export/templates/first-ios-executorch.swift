let rgb = try Data(contentsOf: Bundle.main.url(forResource: "first", withExtension: "rgb", subdirectory: "§{folder}")!)
let x = Tensor<Float>((0..<rgb.count).map { Float(rgb[3 * ($0 % §{count}) + $0 / §{count}]) }, shape: [1, 3, §{side}, §{side}])
let outputs: [Value] = try Module(filePath: Bundle.main.path(forResource: "§{stem}", ofType: "pte", inDirectory: "§{folder}")!).forward([x])
let probabilities: Tensor<Float> = outputs[0].tensor()!
print(probabilities.scalars())
