let interpreter = try Interpreter(modelPath: Bundle.main.path(forResource: "§{stem}", ofType: "tflite", inDirectory: "§{directory}")!)
try interpreter.allocateTensors(); try interpreter.copy(rgb.map { Float32($0) }.withUnsafeBytes { Data($0) }, toInputAt: 0); try interpreter.invoke()
let read = { (at: Int) in try interpreter.output(at: at).data.withUnsafeBytes { Array($0.bindMemory(to: Float32.self)) } }; let (probabilities, knownScore) = (try read(0), try read(1))
