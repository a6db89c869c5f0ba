/** The compiled kernels of ORC, as base64. Written by the build. */
export declare const orcKernel: string;
