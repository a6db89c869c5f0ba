// Runs the bench suite that the build left in build/bench; bench/suite.ts says what it takes.
import '../build/bench/suite.js';
