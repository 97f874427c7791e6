import { describeModel } from "./describe-model.ts";
import { pair } from "./setting.ts";

describeModel("two endpoints, of which one only reports drift and the other shows writes late", pair);
