/** ORC as a format of data files; its parts are stripes. */
import type { FileFormat } from '../file-format.ts';
import { encodeOrc } from './encode.ts';
import { cutOrcPlan, type OrcPlan, orcTimeSpan, planOrc, scanOrc } from './file.ts';
import { openOrc, type OrcFile } from './footer.ts';
import { orcMagic } from './metadata.ts';

export const orcFormat: FileFormat<OrcFile, OrcPlan> = {
  name: 'orc',
  title: 'ORC',
  ending: '.orc',
  beginning: orcMagic,
  open: openOrc,
  partsOf: (file) => file.stripes.length,
  plan: planOrc,
  timeSpan: orcTimeSpan,
  partsRead: (plan) => plan.stripes.length,
  stretchesOf(file, plan) {
    let end = 0;
    const stretches = file.stripes.map(({ rows }) => {
      end += rows;
      return { first: end - rows, rows };
    });
    return plan.stripes.map((index) => stretches[index]!);
  },
  cut: cutOrcPlan,
  scan: (bytes, file, plan, { signal, pruned }) => scanOrc(bytes, file, plan, { pruned, ...(signal && { signal }) }),
  encode: (schema, batches, { partRows }) => encodeOrc(schema, batches, partRows === undefined ? {} : { stripeRows: partRows }),
};
