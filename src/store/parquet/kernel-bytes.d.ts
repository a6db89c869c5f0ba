/** The compiled kernels of the page decoder, as base64: with a memory of their own, and for one that threads share. Written by the build. */
export declare const pageKernel: string;
export declare const pageSharedKernel: string;
