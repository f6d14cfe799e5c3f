import type { Pixels } from "ghostlens";
import { useEffect, useRef } from "preact/hooks";
import { type Steps, draw } from "./steps.ts";

/** The photo after each step of the manifest. */
export function StepPictures({ steps }: { readonly steps: Steps }) {
  const { turned, resized, cropped, corner } = steps;
  const side = cropped.width;
  return (
    <ol class="pictures">
      <Picture pixels={turned} title="Decoded and turned">
        {size(turned)}, as the EXIF tag turns it
      </Picture>
      <Picture pixels={resized} title="Resized" frame={{ ...corner, side }}>
        {size(resized)}, smoothed as the manifest says; the frame is what is kept
      </Picture>
      <Picture pixels={cropped} title="Cropped: what the network sees">
        {size(cropped)}, RGB from 0 to 255; the model scales it itself
      </Picture>
    </ol>
  );
}

interface PictureProps {
  readonly pixels: Pixels;
  readonly title: string;
  readonly frame?: { readonly left: number; readonly top: number; readonly side: number };
  readonly children: preact.ComponentChildren;
}

function Picture({ pixels, title, frame, children }: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (canvas.current === null) return;
    draw(canvas.current, pixels);
    const context = canvas.current.getContext("2d");
    if (frame === undefined || context === null) return;
    context.strokeStyle = "#fff";
    context.strokeRect(frame.left + 0.5, frame.top + 0.5, frame.side - 1, frame.side - 1);
    context.setLineDash([3, 3]);
    context.strokeStyle = "#000";
    context.strokeRect(frame.left + 0.5, frame.top + 0.5, frame.side - 1, frame.side - 1);
  }, [pixels]);
  return (
    <li>
      <canvas ref={canvas} role="img" aria-label={`${title}: ${size(pixels)}`} />
      <strong>{title}</strong>
      <span class="quiet">{children}</span>
    </li>
  );
}

function size({ width, height }: Pixels): string {
  return `${width} x ${height} pixels`;
}
