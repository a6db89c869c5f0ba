/** The compiled kernels, as base64. Written by the build. */
export declare const kernelBase64: string;
