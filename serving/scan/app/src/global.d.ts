/** The version of LiteRT.js in `litert/<version>/`; the build writes it. */
declare const __LITERT_VERSION__: string;
