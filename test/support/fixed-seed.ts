/** Property tests draw the same values each time: what a mutant lives through must not hang on luck. */
import fc from "fast-check";

fc.configureGlobal({ seed: 20_251_121 });
