import Foundation

/// The numbers that verdicts follow from; nil for a verdict that is never given.
public struct Limits: Equatable, Sendable {
    public let temperature: Double
    public let score: String
    public let minScore: Double?
    public let sure: Double?
    public let coarse: Double?

    public init(
        temperature: Double, score: String, minScore: Double?, sure: Double?, coarse: Double?
    ) {
        self.temperature = temperature
        self.score = score
        self.minScore = minScore
        self.sure = sure
        self.coarse = coarse
    }
}

extension Confidence {
    public var limits: Limits {
        Limits(
            temperature: temperature, score: known.score, minScore: known.minScore,
            sure: sure.minProbability, coarse: coarse?.minProbability)
    }
}

/// What to say of a photo; `coarseIndex` and its probability are nil without coarse classes.
public struct Judgement: Equatable, Sendable {
    public let verdict: Verdict
    /// The likeliest label.
    public let index: Int
    public let probability: Double
    /// The likeliest coarse class.
    public let coarseIndex: Int?
    public let coarseProbability: Double?
    /// Of all labels, calibrated.
    public let probabilities: [Double]
}

/// Judges what an artifact answers.
///
/// - Parameters:
///   - probabilities: of every label, as the artifact gives them.
///   - knownScore: its second output: how much the photo looks like those of known things.
///   - limits: of the same artifact: `artifact.confidence?.limits`.
///   - hierarchy: the manifest's; nil without coarse classes.
public func judge(
    probabilities: [Double], knownScore: Double, limits: Limits, hierarchy: Hierarchy?
) throws -> Judgement {
    guard probabilities.allSatisfy({ $0.isFinite && $0 >= 0 }), let best = probabilities.max(),
        best > 0
    else {
        throw GhostlensError.confidence("the answer has a value that is no probability, or all 0")
    }
    if let hierarchy = hierarchy, hierarchy.parents.count != probabilities.count {
        throw GhostlensError.confidence(
            "\(probabilities.count) answers for \(hierarchy.parents.count) labels")
    }
    guard knownScore.isFinite else {
        throw GhostlensError.confidence("the known score is no number")
    }
    let calibrated = calibrate(probabilities, limits.temperature)
    let sums = hierarchy.map { sumCoarse($0, calibrated) }
    let index = indexOfMax(calibrated)
    let coarseIndex = sums.map { indexOfMax($0) }
    var coarseProbability: Double?
    if let sums = sums, let found = coarseIndex { coarseProbability = sums[found] }
    return Judgement(
        verdict: decideVerdict(limits, calibrated, sums, knownScore), index: index,
        probability: calibrated[index], coarseIndex: coarseIndex,
        coarseProbability: coarseProbability, probabilities: calibrated)
}

/// What is no known thing has no name, however sure; then the label, then the coarse class.
private func decideVerdict(
    _ limits: Limits, _ calibrated: [Double], _ sums: [Double]?, _ knownScore: Double
) -> Verdict {
    if let least = limits.minScore, scoreKnown(limits.score, calibrated, knownScore) < least {
        return .unknown
    }
    if let least = limits.sure, (calibrated.max() ?? 0) >= least { return .sure }
    if let least = limits.coarse, let best = sums?.max(), best >= least { return .coarse }
    return .unsure
}

/// The first of those that are largest.
private func indexOfMax(_ values: [Double]) -> Int {
    values.firstIndex(of: values.max() ?? 0) ?? 0
}

/// Returns p ^ (1 / temperature), divided by the sum.
private func calibrate(_ given: [Double], _ temperature: Double) -> [Double] {
    let best = given.max() ?? 1
    let powers = given.map { pow($0 / best, 1 / temperature) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}

private func scoreKnown(_ score: String, _ calibrated: [Double], _ knownScore: Double) -> Double {
    if score == "known_score" { return knownScore }
    if score == "max_probability" { return calibrated.max() ?? 0 }
    let best = calibrated.sorted(by: >).prefix(Constants.genTop)
    return -best.map { pow($0 * (1 - $0), Constants.genGamma) }.reduce(0, +)
}

private func sumCoarse(_ hierarchy: Hierarchy, _ calibrated: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: hierarchy.coarse.count)
    for (label, parent) in hierarchy.parents.enumerated() { sums[parent] += calibrated[label] }
    return sums.map { min(1, $0) }
}
