package ghostlens

import kotlin.math.min
import kotlin.math.pow

/** The numbers that verdicts follow from; null for a verdict that is never given. */
data class Limits(
    val temperature: Double,
    val score: String,
    val minScore: Double?,
    val sure: Double?,
    val coarse: Double?,
)

val Confidence.limits: Limits
    get() = Limits(temperature, known.score, known.minScore, sure.minProbability, coarse?.minProbability)

/** What to say of a photo; [coarseIndex] and its probability are null without coarse classes. */
data class Judgement(
    val verdict: Verdict,
    /** The likeliest label. */
    val index: Int,
    val probability: Double,
    /** The likeliest coarse class. */
    val coarseIndex: Int?,
    val coarseProbability: Double?,
    /** Of all labels, calibrated. */
    val probabilities: List<Double>,
)

/**
 * Judges what an artifact answers.
 *
 * @param probabilities of every label, as the artifact gives them.
 * @param knownScore its second output: how much the photo looks like those of known things.
 * @param limits of the same artifact: `artifact.confidence?.limits`.
 * @param hierarchy the manifest's; null without coarse classes.
 * @throws ConfidenceException the answer holds no probabilities, or no known score.
 */
fun judge(probabilities: List<Double>, knownScore: Double, limits: Limits, hierarchy: Hierarchy?): Judgement {
    if (probabilities.isEmpty() || !probabilities.all { it.isFinite() && it >= 0 } || probabilities.max() <= 0) {
        throw ConfidenceException("the answer holds a value that is no probability, or none over 0")
    }
    if (hierarchy != null && hierarchy.parents.size != probabilities.size) {
        throw ConfidenceException("${probabilities.size} answers for ${hierarchy.parents.size} labels")
    }
    if (!knownScore.isFinite()) throw ConfidenceException("the known score is no number")
    val calibrated = calibrate(probabilities, limits.temperature)
    val sums = hierarchy?.let { sumCoarse(it, calibrated) }
    val index = calibrated.indexOf(calibrated.max())
    val coarseIndex = sums?.let { it.indexOf(it.max()) }
    val verdict = decideVerdict(limits, calibrated, sums, knownScore)
    return Judgement(verdict, index, calibrated[index], coarseIndex, coarseIndex?.let(sums::get), calibrated)
}

/** What is no known thing has no name, however sure; then the label, then the coarse class. */
private fun decideVerdict(limits: Limits, calibrated: List<Double>, sums: List<Double>?, knownScore: Double): Verdict =
    when {
        limits.minScore != null && scoreKnown(limits.score, calibrated, knownScore) < limits.minScore -> Verdict.UNKNOWN
        limits.sure != null && calibrated.max() >= limits.sure -> Verdict.SURE
        sums != null && limits.coarse != null && sums.max() >= limits.coarse -> Verdict.COARSE
        else -> Verdict.UNSURE
    }

/** Returns p ^ (1 / temperature), divided by the sum. */
private fun calibrate(given: List<Double>, temperature: Double): List<Double> {
    val best = given.max()
    val powers = given.map { (it / best).pow(1 / temperature) }
    val sum = powers.sum()
    return powers.map { it / sum }
}

private fun scoreKnown(score: String, calibrated: List<Double>, knownScore: Double): Double =
    when (score) {
        "known_score" -> knownScore
        "max_probability" -> calibrated.max()
        else -> -calibrated.sortedDescending().take(Constants.GEN_TOP).sumOf { (it * (1 - it)).pow(Constants.GEN_GAMMA) }
    }

private fun sumCoarse(hierarchy: Hierarchy, calibrated: List<Double>): List<Double> {
    val sums = DoubleArray(hierarchy.coarse.size)
    hierarchy.parents.forEachIndexed { label, parent -> sums[parent] += calibrated[label] }
    return sums.map { min(1.0, it) }
}
