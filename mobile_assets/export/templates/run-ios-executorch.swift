let x = Tensor<Float>((0..<rgb.count).map { Float(rgb[3 * ($0 % §{count}) + $0 / §{count}]) }, shape: [1, 3, §{side}, §{side}])
let outputs: [Value] = try Module(filePath: Bundle.main.path(forResource: "§{stem}", ofType: "pte", inDirectory: "§{directory}")!).forward([x])
let (probabilities, knownScore) = ((outputs[0].tensor()! as Tensor<Float>).scalars(), (outputs[1].tensor()! as Tensor<Float>).scalars())
