//! Writes every page in every language into a folder, to look at: `cargo run --example preview -- FOLDER [COLOUR]`.

use std::{env, error::Error, fs, path::Path, sync::Arc};

use authmachine_pages::{Brand, Chrome, Lang, Site};

#[path = "../tests/pages/samples.rs"]
mod samples;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("which folder?")?;
    let mut brand = Brand::default();
    if let Some(colour) = env::args().nth(2) {
        brand.accent = colour.parse()?;
    }
    fs::create_dir_all(Path::new(&folder).join("assets"))?;
    let folder = fs::canonicalize(folder)?;
    let site = Arc::new(Site::new(brand, folder.to_str().ok_or("a folder whose name is UTF-8, please")?));
    for asset in site.assets.all() {
        fs::write(folder.join(asset.path.trim_start_matches('/')), &asset.body)?;
    }
    let mark = folder.join(site.assets.mark.path.trim_start_matches('/')).display().to_string();
    for lang in Lang::ALL {
        let chrome = Chrome { site: site.clone(), lang, request_id: Some("01jdc5y2q8w7".into()) };
        for (name, page) in
            samples::all(|text| if text == samples::LOGO { mark.clone() } else { text.to_owned() })
        {
            fs::write(folder.join(format!("{name}.{}.html", lang.tag())), page(&chrome))?;
        }
    }
    Ok(())
}
