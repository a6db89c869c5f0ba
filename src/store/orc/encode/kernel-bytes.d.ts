/** The compiled kernels of the ORC writer, as base64. Written by the build. */
export declare const orcWriteKernel: string;
