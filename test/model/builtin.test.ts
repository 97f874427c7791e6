import { describeModel } from "./describe-model.ts";
import { builtin } from "./setting.ts";

describeModel("the built-in directory", builtin);
