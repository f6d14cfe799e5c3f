import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

const page = document.getElementById('answer');
try {
  §{first}

  const {labels, golden, max_probability_difference: allowed} = await (await fetch('./§{folder}/model.json')).json();
  const best = probabilities.indexOf(Math.max(...probabilities));
  const expected = golden.find(({file}) => file === '§{photo}');
  const apart = expected && Math.max(...expected.probabilities.map((value, index) => Math.abs(value - probabilities[index])));
  const verdict = expected ? (apart <= allowed ? 'as expected' : `NOT as expected: ${apart} apart`) : 'nothing to compare with';
  page.textContent = `${labels[best]}, ${(100 * probabilities[best]).toFixed(2)} %: ${verdict}`;
} catch (error) {
  page.textContent = `No answer: ${error}`;
}
