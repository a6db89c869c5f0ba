/** The compiled kernels of the page decoder, as base64. Written by the build. */
export declare const pageKernel: string;
