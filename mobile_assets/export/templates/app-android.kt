import android.content.Context
§{imports}
import ghostlens.*

// argb: what Bitmap.getPixels gives. exifOrientation: what ExifInterface says; BitmapFactory does not turn.
fun Context.recognise(width: Int, height: Int, argb: IntArray, exifOrientation: Int) {
    §{lines}
}
