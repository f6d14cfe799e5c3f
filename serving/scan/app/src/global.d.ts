/** The version of LiteRT.js in `litert/<version>/`; the build writes it. */
declare const __LITERT_VERSION__: string;
/** The version of this page, of its `package.json`. */
declare const __PAGE_VERSION__: string;
