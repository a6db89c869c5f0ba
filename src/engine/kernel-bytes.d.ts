/** The compiled kernels, as base64: for a memory of one thread, and for one that threads share. Written by the build. */
export declare const plainKernel: string;
export declare const sharedKernel: string;
