await loadLiteRt('./node_modules/@litertjs/core/wasm/');
const rgb = new Uint8Array(await (await fetch('./§{folder}/first.rgb')).arrayBuffer());
const model = await loadAndCompile('./§{folder}/§{file}', {accelerator: 'wasm'});
const [output] = await model.run(new Tensor(Float32Array.from(rgb), [1, §{side}, §{side}, 3]));
const probabilities = await output.data();
