import type { ComponentProps } from "react";

const LOOKS = {
  primary: "bg-accent text-on-accent hover:opacity-90",
  outline: "border border-line bg-raised text-ink hover:bg-hover",
  quiet: "text-soft hover:bg-hover hover:text-ink",
} as const;

export interface ButtonProps extends ComponentProps<"button"> {
  readonly look?: keyof typeof LOOKS;
}

/** A button that does something here; what leads elsewhere is a link. `className` brings the padding with it. */
export function Button({ look = "outline", className = "px-3", ...props }: ButtonProps) {
  return (
    <button
      type="button"
      className={`inline-flex h-8 shrink-0 cursor-pointer items-center justify-center gap-1.5 rounded-md text-sm font-medium whitespace-nowrap transition-colors disabled:cursor-default disabled:opacity-50 ${LOOKS[look]} ${className}`}
      {...props}
    />
  );
}

/** A square button that bears an icon alone; `label` is what it is called. */
export function IconButton({ label, className = "", ...props }: ComponentProps<"button"> & { readonly label: string }) {
  return <Button look="quiet" aria-label={label} title={label} className={`w-8 ${className}`} {...props} />;
}
